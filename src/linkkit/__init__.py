"""Privacy-preserving record linkage, from keyed encodings to a de-identified release.

Everything a user needs is here: ``import linkkit as lk``. Names load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from linkkit._version import __version__ as __version__

if TYPE_CHECKING:
    from linkkit.agreement import Agreement as Agreement
    from linkkit.engines import progress_bar as progress_bar
    from linkkit.errors import LinkkitError as LinkkitError
    from linkkit.exchange import Crosswalk as Crosswalk
    from linkkit.exchange import EncodedExtract as EncodedExtract
    from linkkit.exchange import HouseholdChanges as HouseholdChanges
    from linkkit.exchange import Identity as Identity
    from linkkit.exchange import PayloadExtract as PayloadExtract
    from linkkit.exchange import PersonChanges as PersonChanges
    from linkkit.exchange import ReviewAnswers as ReviewAnswers
    from linkkit.exchange import ReviewRequest as ReviewRequest
    from linkkit.linkage import LinkForecast as LinkForecast
    from linkkit.linkage import LinkResult as LinkResult
    from linkkit.linkage import PairLabels as PairLabels
    from linkkit.linkage import ReviewQuestions as ReviewQuestions
    from linkkit.linkage import combine_answers as combine_answers
    from linkkit.linkage import forecast_link as forecast_link
    from linkkit.linkage import link as link
    from linkkit.linkage.cluster import one_to_one as one_to_one
    from linkkit.linkage.compare import similar_pairs as similar_pairs
    from linkkit.partner.encode import EncodeResult as EncodeResult
    from linkkit.partner.encode import encode as encode
    from linkkit.partner.encode import encode_file as encode_file
    from linkkit.partner.keys import Secret as Secret
    from linkkit.partner.keys import TokenKey as TokenKey
    from linkkit.partner.preflight import PreflightReport as PreflightReport
    from linkkit.partner.preflight import preflight as preflight
    from linkkit.partner.read import read_extract as read_extract
    from linkkit.partner.review import answer_review as answer_review
    from linkkit.partner.review import open_review as open_review
    from linkkit.steward.integrate import IntegratedDataset as IntegratedDataset
    from linkkit.steward.integrate import StudyKey as StudyKey
    from linkkit.steward.integrate import integrate as integrate
    from linkkit.steward.protect import ProtectedDataset as ProtectedDataset
    from linkkit.steward.protect import protect as protect
    from linkkit.steward.release import Release as Release
    from linkkit.steward.release import release as release

_HOMES = {
    "Agreement": "linkkit.agreement",
    "Crosswalk": "linkkit.exchange",
    "EncodeResult": "linkkit.partner.encode",
    "EncodedExtract": "linkkit.exchange",
    "Identity": "linkkit.exchange",
    "IntegratedDataset": "linkkit.steward.integrate",
    "LinkForecast": "linkkit.linkage",
    "LinkResult": "linkkit.linkage",
    "LinkkitError": "linkkit.errors",
    "PairLabels": "linkkit.linkage",
    "PayloadExtract": "linkkit.exchange",
    "HouseholdChanges": "linkkit.exchange",
    "PersonChanges": "linkkit.exchange",
    "PreflightReport": "linkkit.partner.preflight",
    "ProtectedDataset": "linkkit.steward.protect",
    "Release": "linkkit.steward.release",
    "ReviewAnswers": "linkkit.exchange",
    "ReviewQuestions": "linkkit.linkage",
    "ReviewRequest": "linkkit.exchange",
    "Secret": "linkkit.partner.keys",
    "StudyKey": "linkkit.steward.integrate",
    "TokenKey": "linkkit.partner.keys",
    "answer_review": "linkkit.partner.review",
    "combine_answers": "linkkit.linkage",
    "encode": "linkkit.partner.encode",
    "encode_file": "linkkit.partner.encode",
    "forecast_link": "linkkit.linkage",
    "integrate": "linkkit.steward.integrate",
    "link": "linkkit.linkage",
    "one_to_one": "linkkit.linkage.cluster",
    "open_review": "linkkit.partner.review",
    "preflight": "linkkit.partner.preflight",
    "progress_bar": "linkkit.engines",
    "protect": "linkkit.steward.protect",
    "read_extract": "linkkit.partner.read",
    "release": "linkkit.steward.release",
    "similar_pairs": "linkkit.linkage.compare",
}

__all__ = [
    "Agreement",
    "Crosswalk",
    "EncodeResult",
    "EncodedExtract",
    "HouseholdChanges",
    "Identity",
    "IntegratedDataset",
    "LinkForecast",
    "LinkResult",
    "LinkkitError",
    "PairLabels",
    "PayloadExtract",
    "PersonChanges",
    "PreflightReport",
    "ProtectedDataset",
    "Release",
    "ReviewAnswers",
    "ReviewQuestions",
    "ReviewRequest",
    "Secret",
    "StudyKey",
    "TokenKey",
    "__version__",
    "answer_review",
    "combine_answers",
    "encode",
    "encode_file",
    "forecast_link",
    "integrate",
    "link",
    "one_to_one",
    "open_review",
    "preflight",
    "progress_bar",
    "protect",
    "read_extract",
    "release",
    "similar_pairs",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'linkkit' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
