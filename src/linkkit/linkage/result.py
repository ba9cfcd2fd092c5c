"""What a linkage found: crosswalk, pairs, quality, model, and ways to look into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from linkkit.agreement import Agreement
from linkkit.exchange import Crosswalk, HouseholdChanges, Identity, PersonChanges
from linkkit.exchange.changes import IdChanges
from linkkit.linkage.block import Plan
from linkkit.linkage.classify import MatchModel, PassModel, RecordModel
from linkkit.linkage.explain import Linked, PairExplanation, explain_pair
from linkkit.linkage.households import Households
from linkkit.linkage.labels import LabelledPairs
from linkkit.linkage.linked_pairs import LinkedPairs
from linkkit.linkage.quality import LinkageQuality
from linkkit.linkage.review import Review, ask_partners
from linkkit.linkage.years import Kept
from linkkit.linkage.years.result_file import load_result, require_agreement, save_result

__all__ = ["LinkResult"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class LinkResult:
    """What :func:`link` found.

    Attributes
    ----------
    crosswalk : Crosswalk
        Record tokens and person ids, for the steward.
    pairs : LinkedPairs
        Candidate pairs and their scores; stays at the linkage unit.
    quality : LinkageQuality
        Estimated precision and recall.
    model : MatchModel, PassModel or RecordModel
        What was learned of each field or pass, or of the whole record.
    plan : BlockingPlan, PassPlan or FilterPlan
        What was compared.
    threshold : float
        The least match probability of a link.
    n_records : dict of str to int
        Records of each party.
    labels : LabelledPairs, optional
        What was known of some pairs for sure.
    changes : PersonChanges
        What became of person ids over all deliveries: which were merged, split or withdrawn. For the
        steward.
    household_changes : HouseholdChanges
        The same of household ids.
    warnings : tuple of str
        What somebody should look at, with counts.
    kept : Kept
        What the next delivery needs beside the pairs; encodings of earlier versions are in it.
    """

    crosswalk: Crosswalk
    pairs: LinkedPairs
    quality: LinkageQuality
    model: MatchModel | PassModel | RecordModel
    plan: Plan
    threshold: float
    n_records: dict[str, int]
    labels: LabelledPairs | None = None
    changes: PersonChanges
    household_changes: HouseholdChanges
    kept: Kept
    warnings: tuple[str, ...] = ()
    households: Households | None = None

    def __repr__(self) -> str:
        return (
            f"<LinkResult: {sum(self.n_records.values())} records of {len(self.n_records)} "
            f"parties, {self.crosswalk.n_people} people>"
        )

    def explain(self, token: str, other_token: str) -> PairExplanation:
        """Say why two records are linked, or are not, and which blocking pass found them.

        Parameters
        ----------
        token, other_token : str
            Record tokens in hexadecimal.

        Returns
        -------
        PairExplanation

        Raises
        ------
        OptionError
            When a token is no record token, or of no record of the linkage, or both are the same.

        Examples
        --------
        >>> from linkkit.assess.example import example_linkage
        >>> result = example_linkage().result
        >>> best = result.pairs.to_pandas().nlargest(1, "match_weight").iloc[0]
        >>> explanation = result.explain(best["left_token"], best["right_token"])
        >>> explanation.linked, explanation.parts[0].kind
        (True, 'prior')
        """
        linked = Linked(
            pairs=self.pairs, crosswalk=self.crosswalk, model=self.model, plan=self.plan,
            threshold=self.threshold, labels=self.labels,
        )  # fmt: skip
        return explain_pair(linked, token, other_token)

    def review(self, n: int = 100, *, tell_levels: bool = True) -> Review:
        """Ask the partners about the pairs whose answers tell most; no name passes.

        Parameters
        ----------
        n : int
            How many pairs at most.
        tell_levels : bool
            Whether partners are told how each field agrees, where encodings show it (profile ``field``).

        Returns
        -------
        Review
            A request for each party, and the list of what was asked, which stays.

        Raises
        ------
        OptionError
            When `n` is no number of pairs.
        LinkageError
            When there is no pair to ask about.

        Examples
        --------
        >>> from linkkit.assess.example import example_linkage
        >>> review = example_linkage().result.review(20)
        >>> sorted(review.requests)
        ['clinic', 'school', 'shelter']
        """
        return ask_partners(
            self.pairs, n=n, threshold=self.threshold, labels=self.labels, tell_levels=tell_levels
        )

    def __str__(self) -> str:
        sizes = ", ".join(f"{party} {n}" for party, n in self.n_records.items())
        known = "" if self.labels is None else f"known: {len(self.labels)} pairs by labels\n"
        homes = "" if self.households is None else f"\nhouseholds: {self.households}"
        warnings = "".join(f"\nwarning: {text}" for text in self.warnings)
        return (
            f"records: {sizes}\ncompared: {self.plan}\n{known}"
            f"people: {self.crosswalk.n_people}{self._quality_text()}{homes}"
            + _changed("person", self.changes)
            + _changed("household", self.household_changes)
            + warnings
        )

    def _quality_text(self) -> str:
        """Return how good the links are; nothing of a file in which there can be none."""
        pool = self.pairs.pool
        return "" if len(pool.parties) == 1 and bool(pool.clean.all()) else f"\n{self.quality}"

    def save(
        self,
        path: str | Path,
        *,
        agreement: Agreement | None = None,
        identity: Identity | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write a file for the next delivery, which stays at the linkage unit; returns the path.

        It holds encodings, tokens and person ids. Without an identity it is readable for its owner on this
        machine alone, and not encrypted; with one it is sealed to the linkage unit's own key.

        Parameters
        ----------
        path : path
            Where to write; by custom ``NAME.linked``.
        agreement : Agreement, optional
            The agreement, which states the linkage unit's key.
        identity : Identity, optional
            The linkage unit's identity.
        overwrite : bool, default False
            Whether an earlier result may be replaced. What the next delivery needs is in no other file.

        Raises
        ------
        OptionError
            When only one of agreement and identity is given, or the file exists and is not to be replaced.
        MismatchError, NotAuthorizedError
            When the result is of another agreement, or the identity is not the linkage unit's.
        SealError
            When the file cannot be written.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from linkkit.assess.example import example_linkage
        >>> result = example_linkage().result
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = LinkResult.load(result.save(Path(folder, "2026.linked")))
        >>> again.crosswalk.table.equals(result.crosswalk.table)
        True
        """
        return save_result(
            path, self, made=self.kept.made, n_rows=len(self.pairs.pool), agreement=agreement,
            identity=identity, overwrite=overwrite,
        )  # fmt: skip

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        agreement: Agreement | None = None,
        identity: Identity | None = None,
    ) -> LinkResult:
        """Read what :meth:`save` wrote, after all of it was checked.

        Parameters
        ----------
        path : path
            The file.
        agreement : Agreement, optional
            The agreement; a result of another one is refused.
        identity : Identity, optional
            The linkage unit's identity, to open a sealed file.

        Raises
        ------
        OptionError
            When the file is sealed, and no agreement and identity are given to open it.
        SealError
            When it is missing, damaged, cut short or no saved result.
        MismatchError
            When it was made under another agreement, or by another version of linkkit.
        """
        result = load_result(path, cls, agreement=agreement, identity=identity)
        if agreement is not None:
            require_agreement(result.kept.made, agreement)
        return result


def _changed(what: str, changes: IdChanges) -> str:
    return f"\n{what} ids, over all deliveries: {changes}" if len(changes) else ""
