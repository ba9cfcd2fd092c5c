"""The error tree: stable codes, distinct exit statuses, all problems at once, no cause chain."""

from __future__ import annotations

import copy
import pickle

import pytest

from linkkit import errors
from linkkit.errors import (
    AgreementError,
    BenchmarkError,
    DependencyError,
    ExtractError,
    LinkageError,
    LinkkitError,
    MismatchError,
    NotAuthorizedError,
    OptionError,
    ProtectionError,
    ReleaseError,
    ReplayError,
    SealError,
    SecretError,
    WrongStageError,
)

# Scripts of partners test for these, so a change here is a breaking change.
PUBLISHED = {
    LinkkitError: ("linkkit", 1),
    OptionError: ("option", 10),
    AgreementError: ("agreement", 11),
    ExtractError: ("extract", 12),
    NotAuthorizedError: ("not_authorized", 13),
    SecretError: ("secret", 14),
    SealError: ("seal", 15),
    MismatchError: ("mismatch", 16),
    LinkageError: ("linkage", 17),
    ProtectionError: ("protection", 18),
    ReleaseError: ("release", 19),
    WrongStageError: ("wrong_stage", 20),
    DependencyError: ("dependency", 21),
    ReplayError: ("replay", 22),
    BenchmarkError: ("benchmark", 23),
}


@pytest.mark.parametrize("kind", PUBLISHED, ids=lambda kind: kind.__name__)
def test_code_and_exit_status_are_the_published_ones(kind: type[LinkkitError]) -> None:
    assert (kind.code, kind.exit_status) == PUBLISHED[kind]


def test_no_public_error_is_missing_from_the_published_table() -> None:
    public = {getattr(errors, name) for name in errors.__all__}
    assert public == set(PUBLISHED)


def test_no_two_errors_share_a_code_or_an_exit_status() -> None:
    assert len({code for code, _ in PUBLISHED.values()}) == len(PUBLISHED)
    assert len({status for _, status in PUBLISHED.values()}) == len(PUBLISHED)


def test_no_exit_status_means_success_or_is_taken_by_the_shell() -> None:
    assert all(0 < status < 64 for _, status in PUBLISHED.values())


def test_one_problem_is_a_plain_sentence_with_its_hint() -> None:
    error = ExtractError("district: column 'DOB' is missing", hint="Check the header row.")
    assert str(error) == ("district: column 'DOB' is missing\nWhat to do: Check the header row.")
    assert error.problems == ("district: column 'DOB' is missing",)
    assert error.hint == "Check the header row."


def test_without_a_hint_nothing_is_said_of_what_to_do() -> None:
    assert str(SealError("the file is cut short")) == "the file is cut short"


def test_several_problems_are_all_listed() -> None:
    error = AgreementError(f"problem {i}" for i in range(3))
    assert str(error) == "- problem 0\n- problem 1\n- problem 2"
    assert error.problems == ("problem 0", "problem 1", "problem 2")


def test_twenty_problems_are_shown_and_the_rest_counted() -> None:
    assert "more problems" not in str(AgreementError(f"problem {i}" for i in range(20)))
    error = AgreementError(f"problem {i}" for i in range(23))
    lines = str(error).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "- and 3 more problems of this kind"
    assert len(error.problems) == 23


def test_not_authorized_names_its_clause_in_every_problem() -> None:
    error = NotAuthorizedError(["no 'a'", "no 'b'"], clause="parties.district.payload")
    assert error.clause == "parties.district.payload"
    assert error.problems == (
        "clause 'parties.district.payload': no 'a'",
        "clause 'parties.district.payload': no 'b'",
    )


def test_a_wrong_stage_is_also_a_type_error_and_a_missing_package_an_import_error() -> None:
    with pytest.raises(TypeError, match="not a crosswalk"):
        raise WrongStageError("not a crosswalk")
    with pytest.raises(ImportError, match="needs matplotlib"):
        raise DependencyError("needs matplotlib")


@pytest.mark.parametrize(
    "error",
    [
        LinkkitError("a", hint="b"),
        SealError(["a", "b"], hint="c"),
        DependencyError("a", hint="b"),
        WrongStageError("a"),
        NotAuthorizedError("a", clause="b.c", hint="d"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_the_way_out_of_a_worker_process(error: LinkkitError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)
