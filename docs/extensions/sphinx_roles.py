"""Shows Sphinx roles in docstrings, such as ``:class:`Agreement```, as plain code."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod|obj):`~?\.?([^`]+)`")


class SphinxRoles(griffe.Extension):
    """Rewrite the roles of each docstring as it is loaded."""

    def on_object(self, *, obj: griffe.Object, **_kwargs: Any) -> None:
        """Rewrite one object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(r"`\1`", obj.docstring.value)
