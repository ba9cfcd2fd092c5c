"""What every file says of itself, in the clear and signed."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
)

from linkkit._version import __version__
from linkkit.agreement import Agreement
from linkkit.agreement.clauses import Name, Slug
from linkkit.errors import MismatchError, NotAuthorizedError, SealError
from linkkit.exchange.spec import EncodingSpec

__all__ = ["ArtifactKind", "Manifest"]

ArtifactKind = Literal[
    "encoded-extract",
    "payload-extract",
    "crosswalk",
    "person-changes",
    "household-changes",
    "link-result",
    "integrated-dataset",
    "protected-dataset",
    "secret-commitment",
    "secret-reveal",
    "secret-delivery",
    "review-request",
    "review-answers",
]

_Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

# Of what no party sends.
_SENDERS = {
    "crosswalk": "linkage_unit",
    "person-changes": "linkage_unit",
    "household-changes": "linkage_unit",
    "link-result": "linkage_unit",
    "integrated-dataset": "steward",
    "protected-dataset": "steward",
    "review-request": "linkage_unit",
}

_FILES: dict[ArtifactKind, str] = {
    "encoded-extract": "PARTY.encodings, which a partner sends to the linkage unit",
    "payload-extract": "PARTY.payload, which a partner sends to the steward",
    "crosswalk": "the crosswalk, which the linkage unit sends to the steward",
    "person-changes": "what became of person ids, which the linkage unit sends to the steward",
    "household-changes": "what became of household ids, which the linkage unit sends to the steward",
    "link-result": "what the linkage unit keeps from one delivery to the next",
    "integrated-dataset": "what 'linkkit integrate' writes",
    "protected-dataset": "what 'linkkit protect' writes",
    "secret-commitment": "a partner's commitment to the secret",
    "secret-reveal": "a partner's share of the secret",
    "secret-delivery": "the secret that is delivered among partners",
    "review-request": "PARTY.review, in which the linkage unit asks a partner about pairs",
    "review-answers": "PARTY.answers, which a partner sends back to the linkage unit",
}
"""Who gets which file from whom."""

_LATER = ("epoch", "canaries", "sealed_at")

_EPOCH_HINTS = {
    True: "What was made in an earlier epoch is not used again: ask for a file of this epoch.",
    False: "Load the agreement's newer text.",
}


class Manifest(BaseModel):
    """The first thing in a file: what it is, who made it, under which agreement, key and spec.

    It is readable without a key, so it holds counts and digests and nothing of any person.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    format: Literal["linkkit-file/1"] = "linkkit-file/1"
    kind: ArtifactKind
    made_by: str = f"linkkit {__version__}"
    agreement_id: Slug
    agreement_fingerprint: str = Field(pattern=r"^[0-9a-f]{64}$")
    sender: Name
    n_rows: int = Field(ge=0)
    party: Name | None = None
    one_record_per_person: bool | None = None
    spec: EncodingSpec | None = None
    key_check: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    project: Slug | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    epoch: int | None = Field(default=None, ge=1)
    canaries: dict[str, _Digest] = Field(default_factory=dict)
    sealed_at: AwareDatetime | None = None

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Fields that came later are left out where they say nothing, so that a manifest from
        # before them reads and writes as it did.
        content: dict[str, Any] = handler(self)
        return {name: value for name, value in content.items() if value or name not in _LATER}

    def sealed_now(self, *, epoch: int) -> Manifest:
        """Return the manifest with the agreement's epoch and the time, for a file to be written."""
        now = dt.datetime.now(dt.UTC)
        return self.model_copy(update={"epoch": epoch, "sealed_at": now})

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """Read a manifest; raises :class:`SealError` when it is not one."""
        try:
            return cls.model_validate_json(text)
        except (ValidationError, RecursionError):
            pass
        raise SealError(
            "the file's manifest is damaged or of another version of linkkit",
            hint="Ask the sender for the file again, made with the same version.",
        )

    def require_kind(self, kind: ArtifactKind) -> None:
        """Refuse a file that holds another kind of artifact."""
        if self.kind != kind:
            raise MismatchError(
                f"the file from '{self.sender}' holds {_a(self.kind)}, not {_a(kind)}",
                hint=f"Wanted here is {_FILES[kind]}. This is {_FILES[self.kind]}.",
            )

    def require_sender(self, agreement: Agreement) -> None:
        """Refuse a file from somebody who may not send such an artifact."""
        sender = _SENDERS.get(self.kind)
        if sender is None:
            allowed = self.sender in agreement.parties and self.party == self.sender
        else:
            allowed = self.sender == sender
        if not allowed:
            raise NotAuthorizedError(
                f"'{self.sender}' may not send {_a(self.kind)}",
                clause="parties",
                hint="Do not use the file. Ask who sent it.",
            )

    def require_agreement(self, agreement: Agreement) -> None:
        """Refuse a file made under another agreement, or another text of the same one."""
        hint = "All parties must use the very same agreement document."
        if self.agreement_id != agreement.id:
            problem = (
                f"the file was made under agreement '{self.agreement_id}', not '{agreement.id}'"
            )
        elif self.epoch is not None and self.epoch != agreement.epoch:
            problem = (
                f"the file is of epoch {self.epoch}, and agreement '{agreement.id}' is at "
                f"epoch {agreement.epoch} here"
            )
            hint = _EPOCH_HINTS[self.epoch < agreement.epoch]
        elif self.agreement_fingerprint != agreement.fingerprint:
            problem = (
                f"the file was made under another text of agreement '{agreement.id}': "
                f"fingerprint {self.agreement_fingerprint[:12]}, here {agreement.fingerprint[:12]}"
            )
        else:
            return
        raise MismatchError(problem, hint=hint)


def _a(kind: ArtifactKind) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
