# SPDX-License-Identifier: GPL-3.0-or-later
"""The page docs/reference/change-states.md, made from the table that decides."""

from __future__ import annotations

import ast
import inspect
import re
from datetime import timedelta
from enum import Enum
from itertools import pairwise

from storewarden.domain.change import events, record, rules
from storewarden.domain.change.events import EventKind
from storewarden.domain.change.machine import TRANSITIONS
from storewarden.domain.change.record import Kind, Risk, State
from storewarden.domain.change.rules import ApprovalRules

_INTRO = """\
# A change's states and rules

Made from `python/storewarden/domain/change/` by `make docs`. One table serves the decision, the ledger's check and this
page. A change is never edited: events happen to it, each is one entry of the journal (`change <event>`), and the change is
what they add up to.

## States

A change begins as `requested`. What is asked for in the wrong state, by the wrong person or at the wrong time is refused:
the answer says what is missing and what to do, the attempt is in the journal as `change refused`, and nothing else moves.
"""

_RULES = """\
## Who approves

Every role needs a person of its own: who holds two of the roles fills one. Nobody approves their own change: not who
requested it, not its owner, and of an emergency not who started it or did one of its steps. An approval that is not used in
time is none, and the change falls back to `requested`; so does one whose plan is written anew.

{approvals}

The section `changes` of `storewarden.yml` sets the roles, the durations and the prefix of the numbers.

## What a start needs

| | any change | `emergency` |
|---|---|---|
| approvals | all | may come later, and are owed |
| rollback plan: trigger, steps, owner | written | owed with the paperwork |
| test evidence | {tested} | owed |
| its own window | open | not asked |
| what windows and blackouts forbid | obeyed | obeyed, as far as they forbid emergencies |
| stores of its items | closed, for {outside} | not asked |

What windows forbid, and the hours of the stores of a major change, can be set aside by an override: asked for with a reason
and an end, approved by two people who hold a role that approves changes, none of them its requester, its owner or who asked.
Asking anew and writing the plan anew void its approvals. It replaces neither the approvals of the change nor the window that
the change itself names.

A standing change is never started: its runs are recorded, each inside its validity and on its own configuration items.
When it runs out it closes itself: as failed when more than {failing} of its runs failed.

## What a close needs

`successful` needs every key step done, and those marked `two_person` checked by another person than who did them. Every
other outcome needs a reason. What is left neither changed nor restored becomes a debt.

## Debts

A debt is listed, reminded and counted until it is paid, also after the change is closed. Approvals are paid by approving,
the test by its evidence, the paperwork by writing what is missing. Only complete paperwork and items that were left are
settled by saying how.

{debts}

## Times

{times}
"""


def change_states() -> str:
    """The whole page."""
    defaults = ApprovalRules()
    tested = sorted(kind.value for kind in defaults.tested - {Kind.EMERGENCY})
    text = _RULES.format(
        approvals="\n".join(_approvals(defaults)),
        debts="\n".join(member_table(record, record.DebtKind, "debt")),
        times="\n".join(_times(defaults)),
        tested="needed for " + _names(tested),
        outside=_names(sorted(kind.value for kind in defaults.outside_hours)),
        failing=f"{defaults.failing_share * 100:g} %",
    )
    parts = [
        _INTRO,
        *_diagram(),
        "",
        *member_table(record, State, "state"),
        "",
        *_table(),
        "",
        text,
    ]
    return "\n".join(parts)


def _diagram() -> list[str]:
    names = {state: state.name.lower() for state in State}
    moves: dict[tuple[State, State], list[str]] = {}
    for (before, kind), after in TRANSITIONS.items():
        if before is not after:
            moves.setdefault((before, after), []).append(kind.value)
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {names[s]}: {s.value}" for s in State if names[s] != s.value]
    lines.append(f"    [*] --> {names[State.REQUESTED]}: {EventKind.OPENED.value}")
    for (before, after), kinds in moves.items():
        lines.append(f"    {names[before]} --> {names[after]}: {', '.join(kinds)}")
    left = {before for before, _ in moves}
    lines += [f"    {names[state]} --> [*]" for state in State if state not in left]
    return [*lines, "```"]


def _table() -> list[str]:
    """Every event with the states in which it may happen."""
    notes = _comments(events, EventKind)
    lines = ["## Events", "", "| event | what it says | in state (-> next) |", "|---|---|---|"]
    for kind in EventKind:
        where = [_way(before, kind) for before in State if (before, kind) in TRANSITIONS]
        places = "any" if len(where) == len(State) else ", ".join(where) or "(the beginning)"
        lines.append(f"| {kind.value} | {notes[kind.name]} | {places} |")
    return lines


def _way(before: State, kind: EventKind) -> str:
    after = TRANSITIONS[before, kind]
    return before.value if after is before else f"{before.value} -> {after.value}"


def member_table(module: object, enum: type[Enum], title: str) -> list[str]:
    """Every member with the comment beside it."""
    notes = _comments(module, enum)
    return [
        f"| {title} | meaning |",
        "|---|---|",
        *(f"| {each.value} | {notes[each.name]} |" for each in enum),
    ]


def _comments(module: object, enum: type[Enum]) -> dict[str, str]:
    """Member name -> the comment beside it."""
    source = inspect.getsource(enum)
    found = dict(re.findall(r"^    ([A-Z_]+) = \"[^\"]*\"  # (.*)$", source, re.MULTILINE))
    lacking = [each.name for each in enum if each.name not in found]
    if lacking:
        raise SystemExit(f"{module}: {', '.join(lacking)} have no comment")
    return found


def _approvals(defaults: ApprovalRules) -> list[str]:
    lines = ["| kind | " + " | ".join(f"{risk.value} risk" for risk in Risk) + " |"]
    lines.append("|---" * (1 + len(Risk)) + "|")
    for kind in Kind:
        cells = [", ".join(f"`{role}`" for role in defaults.roles(kind, risk)) for risk in Risk]
        lines.append(f"| {kind.value} | {' | '.join(cells)} |")
    return lines


def _times(defaults: ApprovalRules) -> list[str]:
    """One row per duration, with the sentence that stands under the field."""
    (body,) = (n.body for n in ast.parse(inspect.getsource(rules)).body if _named(n))
    lines = ["| setting | default | what it is |", "|---|---|---|"]
    for field, note in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            shown = _shown(getattr(defaults, field.target.id))
            if shown and isinstance(note, ast.Expr) and isinstance(note.value, ast.Constant):
                text = " ".join(str(note.value.value).split())
                lines.append(f"| `{field.target.id}` | {shown} | {text} |")
    return lines


def _named(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == ApprovalRules.__name__


def _shown(value: object) -> str:
    if isinstance(value, timedelta):
        hours = value / timedelta(hours=1)
        return f"{hours / 24:g} days" if hours > 48 and not hours % 24 else f"{hours:g} h"
    if hasattr(value, "items"):
        pairs = [(getattr(key, "value", key), time) for key, time in value.items()]
        spans = all(isinstance(time, timedelta) for _, time in pairs)
        return ", ".join(f"{key} {_shown(time)}" for key, time in pairs) if spans else ""
    return ""


def _names(values: list[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)
