"""The agreement document: read, checked as a whole, fingerprinted, and asked for permission."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

from pydantic import ValidationError, model_validator

from linkkit.agreement.clauses import Organization, Party, Project, Years
from linkkit.agreement.consistency import find_contradictions
from linkkit.agreement.content import Content
from linkkit.agreement.problems import describe
from linkkit.agreement.yaml_text import parse_yaml
from linkkit.errors import AgreementError, NotAuthorizedError, OptionError

__all__ = ["Agreement"]


class Agreement(Content):
    """The parties' data-sharing agreement.

    Load it with :meth:`load` or :meth:`from_yaml`; every field is a clause that the code
    enforces. An agreement is frozen: an amended document is another object with another
    :attr:`fingerprint`, and with the same ``id`` as long as keys and tokens are to stay.

    Raises
    ------
    AgreementError
        When the document is not complete, contradicts itself, or has unknown keys. All
        problems are reported at once.

    Examples
    --------
    >>> from linkkit.synth import youth_partnership
    >>> partnership = youth_partnership(n_district=20, n_summer=8, n_jobs=5)
    >>> agreement = Agreement.from_document(partnership.agreement)
    >>> sorted(agreement.parties)
    ['district', 'jobs', 'summer']
    >>> agreement.protection.smallest_cell
    10
    """

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = find_contradictions(self)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an agreement from a YAML file.

        Parameters
        ----------
        path : str or Path
            A UTF-8 YAML document.

        Raises
        ------
        AgreementError
            When the file cannot be read or the document is not a valid agreement.
        """
        text = _read_text(Path(path))
        return cls.from_yaml(text)

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Read an agreement from YAML text; raises :class:`AgreementError`."""
        return cls.from_document(parse_yaml(text))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read an agreement from a mapping; raises :class:`AgreementError`."""
        if not isinstance(document, Mapping):
            _refuse(f"an agreement document is a mapping, not {type(document).__name__}")
        try:
            return cls.model_validate(dict(document))
        except ValidationError as error:
            problems = describe(error, cls)
        raise AgreementError(problems, hint="Correct the agreement document and load it again.")

    def __repr__(self) -> str:
        return (
            f"<Agreement '{self.id}': {len(self.parties)} parties, "
            f"fingerprint {self.fingerprint[:12]}>"
        )

    __str__ = __repr__

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the whole document in canonical form, 64 hexadecimal digits.

        What a document leaves out counts as its default.
        """
        clauses = self.model_dump(mode="json", exclude_defaults=True)
        content = json.dumps(clauses, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()

    def party(self, name: str) -> Party:
        """Return a party's clause; raises :class:`NotAuthorizedError` for a stranger."""
        if name in self.parties:
            return self.parties[name]
        raise NotAuthorizedError(
            f"agreement '{self.id}' has no party '{name}'",
            clause="parties",
            hint=f"The parties are: {', '.join(sorted(self.parties))}.",
        )

    def project(self, name: str) -> Project:
        """Return a project's clause; raises :class:`NotAuthorizedError` when there is none."""
        if isinstance(name, str) and name in self.projects:
            return self.projects[name]
        known = ", ".join(sorted(self.projects)) or "none yet"
        raise NotAuthorizedError(
            f"agreement '{self.id}' authorizes no project '{name}'",
            clause="projects",
            hint=f"The authorized projects are: {known}.",
        )

    def organization(self, role: str) -> Organization:
        """Return the organization in a role: a party's name, ``linkage_unit`` or ``steward``."""
        if role == "linkage_unit":
            return self.linkage_unit
        return self.steward if role == "steward" else self.party(role)

    def require_public_key(self, role: str) -> str:
        """Return the public key of an organization, which the document must then state."""
        public_key = self.organization(role).public_key
        if public_key is not None:
            return public_key
        clause = role if role in ("linkage_unit", "steward") else f"parties.{role}"
        raise AgreementError(
            f"clause '{clause}.public_key' is missing, so no file can be sealed to it or "
            "checked as coming from it",
            hint="Run 'linkkit keys identity' there and write the public key into the agreement.",
        )

    def require_in_force(self, *, today: dt.date | None = None) -> None:
        """Refuse work after the destroy-by date.

        Parameters
        ----------
        today : datetime.date, optional
            The date to judge by; the system's date by default.

        Raises
        ------
        NotAuthorizedError
            Naming clause ``destroy_by``.
        OptionError
            When `today` is no date.
        """
        if today is not None and (isinstance(today, dt.datetime) or not isinstance(today, dt.date)):
            raise OptionError(
                f"'today' is a datetime.date, not {type(today).__name__}",
                hint="Leave it out for the system's date.",
            )
        if (today or dt.date.today()) > self.destroy_by:
            raise NotAuthorizedError(
                f"the data of agreement '{self.id}' had to be destroyed by {self.destroy_by}",
                clause="destroy_by",
                hint="Nothing may be made under it unless the parties amend it.",
            )

    def authorize_linkage_fields(self, party: str, fields: Iterable[str]) -> None:
        """Refuse linkage fields that the party was not authorized to send, by clause."""
        self._authorize(party, fields, set(self.party(party).linkage_fields), "linkage_fields")

    def authorize_payload(self, party: str, variables: Iterable[str]) -> None:
        """Refuse payload variables that the party was not authorized to send, by clause."""
        self._authorize(party, variables, set(self.party(party).payload), "payload")

    def _authorize(self, party: str, asked: Iterable[str], allowed: set[str], part: str) -> None:
        strangers = sorted(set(asked) - allowed)
        if strangers:
            raise NotAuthorizedError(
                [f"party '{party}' is not authorized to send '{name}'" for name in strangers],
                clause=f"parties.{party}.{part}",
                hint=f"It may send: {', '.join(sorted(allowed)) or 'nothing'}.",
            )

    def authorize_variables(self, variables: Iterable[str], *, project: str) -> None:
        """Refuse variables that a project was not authorized to use, by clause."""
        allowed = self.project(project).variables
        strangers = sorted(set(variables) - set(allowed))
        if strangers:
            raise NotAuthorizedError(
                [f"project '{project}' may not use variable '{name}'" for name in strangers],
                clause=f"projects.{project}.variables",
                hint=f"It may use: {', '.join(allowed)}.",
            )

    def years_of(self, project: str | None = None) -> Years:
        """Return the years of the agreement, or of a project when it has its own."""
        own = None if project is None else self.project(project).years
        return own or self.years


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        problem = f"there is no agreement file at '{path}'"
    except UnicodeDecodeError:
        problem = f"the agreement file '{path}' is not UTF-8 text"
    except (OSError, ValueError) as error:
        problem = f"the agreement file cannot be read ({type(error).__name__})"
    return _refuse(problem)


def _refuse(problem: str) -> NoReturn:
    raise AgreementError(problem, hint="Give the path of a YAML document in UTF-8.")


def require_agreement(value: object) -> Agreement:
    """Return `value` if it is an agreement, and explain how to get one if it is not."""
    if isinstance(value, Agreement):
        return value
    raise OptionError(
        f"'agreement' must be an Agreement, not {type(value).__name__}",
        hint="Load the document first: linkkit.Agreement.load('agreement.yaml').",
    )
