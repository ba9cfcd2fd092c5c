"""The explanation of one pair as a page, with the look of the linkage report."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from linkkit._version import __version__
from linkkit.errors import WrongStageError
from linkkit.exchange.atomic import atomic_text
from linkkit.linkage import PairExplanation
from linkkit.linkage.explain import Bar, bars, bits_text
from linkkit.report.contents import Card
from linkkit.report.rendered import rendered

__all__ = ["explanation_page"]


class _Contents(NamedTuple):
    title: str
    explanation: PairExplanation
    cards: tuple[Card, ...]
    bars: list[Bar]
    version: str


def explanation_page(explanation: PairExplanation, path: str | Path) -> Path:
    """Write a page that says why two records are linked, or are not. It stays at the linkage unit.

    It needs no other file, script, network or plotting package. Only its owner may read it, as it holds
    record tokens.

    Parameters
    ----------
    explanation : PairExplanation
        What :meth:`~linkkit.LinkResult.explain` returned.
    path : str or Path
        Where to write; by custom ``explanation.html``.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    WrongStageError
        When `explanation` is something else.
    SealError
        When the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from linkkit.assess.example import example_linkage
    >>> result = example_linkage().result
    >>> best = result.pairs.to_pandas().nlargest(1, "match_weight").iloc[0]
    >>> explanation = result.explain(best["left_token"], best["right_token"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = explanation_page(explanation, f"{folder}/explanation.html")
    ...     "What decided" in page.read_text(encoding="utf-8")
    True
    """
    if not isinstance(explanation, PairExplanation):
        raise WrongStageError(
            f"explanation_page takes a PairExplanation, not {type(explanation).__name__}",
            hint="Explain a pair first: result.explain(token, other_token).",
        )
    page = _Contents(
        title="Linked" if explanation.linked else "Not linked",
        explanation=explanation,
        cards=_cards(explanation),
        bars=bars([(part.label, part.bits, part.note) for part in explanation.parts]),
        version=__version__,
    )
    text = rendered("explanation.html.jinja", page=page, bits_text=bits_text)
    return atomic_text(path, text, private=True)


def _cards(explanation: PairExplanation) -> tuple[Card, ...]:
    return (
        Card(
            label="Match probability",
            value=f"{explanation.probability:.3g}",
            note=f"a link needs {explanation.threshold:.3g}",
        ),
        Card(label="Match weight", value=bits_text(explanation.match_weight, 1), note="bits"),
        Card(
            label="Candidate",
            value="yes" if explanation.is_candidate else "no",
            note="scored with the other pairs"
            if explanation.is_candidate
            else "as the model judges it, beside the other pairs",
        ),
    )
