"""YAML text into plain data: safe, and strict about keys that appear twice."""

from __future__ import annotations

from typing import Any

import yaml

from linkkit.errors import AgreementError

__all__ = ["parse_yaml"]


class _AliasError(yaml.MarkedYAMLError):
    """The document refers to another part of itself."""


_HINT = (
    "Correct the YAML document and load it again. Often it is a tab instead of spaces, or a "
    "colon or comma in a name that needs quotes around it."
)


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that notes repeated keys instead of keeping the last one."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.repeated: list[str] = []

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse aliases: repeated in each other, a few lines of them stand for billions."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _AliasError(problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                self.repeated.append(
                    f"'{key}' appears twice, at line {key_node.start_mark.line + 1}"
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str) -> dict[str, Any]:
    """Parse a YAML mapping.

    Raises
    ------
    AgreementError
        When the text is not YAML, is not a mapping, names a key twice, or refers to another
        part of itself. The message gives lines and keys, never values.
    """
    if not isinstance(text, str):
        raise AgreementError(
            f"an agreement document is text, not {type(text).__name__}",
            hint="Decode it first, or give the file's path to Agreement.load.",
        )
    loader = _StrictLoader(text) if text.isprintable() or _is_yaml_text(text) else None
    problems: list[str] = []
    data: Any = None
    if loader is None:
        problems = ["the agreement document holds characters that YAML does not allow"]
    else:
        try:
            data = loader.get_single_data()
        except yaml.MarkedYAMLError as error:
            problems = [_invalid(error)]
        except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            problems = ["the agreement document is not valid YAML"]
        problems = problems or loader.repeated
    if not problems and not isinstance(data, dict):
        problems = ["the agreement document is empty or not a mapping of clauses"]
    if problems:
        raise AgreementError(problems, hint=_HINT)
    return {str(key): value for key, value in data.items()}


def _invalid(error: yaml.MarkedYAMLError) -> str:
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    if isinstance(error, _AliasError):
        return f"an alias (*name) stands at line {line}; write out what it stands for"
    return f"the agreement document is not valid YAML, at line {line}"


def _is_yaml_text(text: str) -> bool:
    return yaml.reader.Reader.NON_PRINTABLE.search(text) is None
