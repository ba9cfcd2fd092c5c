"""Pages of one look, from templates that share their style sheet and parts."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

__all__ = ["rendered"]


def rendered(template: str, **content: Any) -> str:
    """Return a page that needs no other file, script or network.

    Parameters
    ----------
    template : str
        The name of the template.
    **content
        What it shows; text in it is escaped.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**content).lstrip() + "\n"


def _source(name: str) -> str:
    return files("linkkit.report").joinpath("templates", name).read_text(encoding="utf-8")
