# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that many verbs take alike, written once as a dataclass.

Typer reads a verb's options from its parameters, so each verb would have to repeat them. A
verb that is ``gathered`` has one parameter of a dataclass instead, whose fields are options;
typer sees the fields, after the verb's own options, and the verb gets the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints


def gathered(verb: Callable[..., int]) -> Callable[..., int]:
    """``verb`` as typer wants it. Its dataclass is keyword-only, every field has a default."""
    hints = get_type_hints(verb, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    ((name, group),) = groups.items()
    shared = _options(group)
    parameters = signature(verb).parameters.values()
    own = [each.replace(annotation=hints[each.name]) for each in parameters if each.name != name]

    @wraps(verb)
    def run(**given: Any) -> int:
        call = group(**{each.name: given.pop(each.name) for each in shared})
        return verb(**{name: call}, **given)

    run.__dict__["__signature__"] = Signature([*own, *shared])
    run.__annotations__ = {each.name: each.annotation for each in (*own, *shared)}
    return run


def _options(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            each.name, Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name]
        )
        for each in fields(group)
    ]
