# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that HTML pages are made of. Whatever is filled into one is escaped, and harmless."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from storewarden.adapters.reports.values import clean


@cache
def template(name: str) -> Template:
    """The page template of that name."""
    environment = Environment(
        autoescape=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    return environment.from_string(part(name))


@cache
def part(name: str) -> str:
    """A file of the page as it is: style, script, template."""
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")


def _harmless(value: object) -> object:
    """Control characters spelled out in whatever is not markup of our own."""
    if type(value) is not str:
        return value
    return "\n".join(clean(line) for line in value.split("\n"))
