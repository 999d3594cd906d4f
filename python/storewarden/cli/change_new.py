# SPDX-License-Identifier: GPL-3.0-or-later
"""``change new`` and ``change plan``: asking for a change, and writing its plan anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from storewarden.cli import change_draft
from storewarden.cli.change_call import Call, Number, Reason, write
from storewarden.cli.exits import Exit
from storewarden.cli.gathered import gathered
from storewarden.cli.options import site_config
from storewarden.domain.change.record import Kind, Risk
from storewarden.domain.errors import ConfigInvalid

if TYPE_CHECKING:
    from storewarden.config import SiteConfig

Summary = Annotated[str, typer.Option("--summary", metavar="TEXT", help="One line: what.")]
KindOption = Annotated[
    Kind | None, typer.Option("--kind", help="Standard, planned; emergency, act first; ...")
]
RiskOption = Annotated[Risk | None, typer.Option("--risk", help="How much can go wrong.")]
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", "--limit", metavar="PATTERN", help="Hosts; may be given again."),
]
Plan = Annotated[str, typer.Option("--plan", metavar="FILE|TEXT", help="What will be done.")]
Rollback = Annotated[
    str, typer.Option("--rollback", metavar="FILE|TEXT", help="How it is taken back.")
]
Trigger = Annotated[
    str, typer.Option("--rollback-when", metavar="TEXT", help="What makes you take it back.")
]
RollbackOwner = Annotated[
    str, typer.Option("--rollback-by", metavar="NAME", help="Who takes it back.")
]
Operation = Annotated[
    str, typer.Option("--operation", metavar="CLASS", help="Its class, for windows: patch, ...")
]
Window = Annotated[
    str,
    typer.Option("--window", metavar="START/END|next", help="When; site's zone without one."),
]
Needs = Annotated[str, typer.Option("--needs", metavar="40m", help="How long, for --window next.")]
Owner = Annotated[str, typer.Option("--owner", metavar="NAME", help="Whose it is; yours else.")]
Steps = Annotated[
    list[str] | None,
    typer.Option("--step", metavar="NAME[!]", help="Key step; '!': two persons. Again for more."),
]
StandingOption = Annotated[
    str, typer.Option("--standing", metavar="ACTION", help="Pre-approve one repeated action.")
]
Until = Annotated[
    str, typer.Option("--until", metavar="DAY", help="Last day of a standing change.")
]
FileOption = Annotated[
    Path | None, typer.Option("--file", metavar="YAML", help="Everything from a file.")
]
Template = Annotated[bool, typer.Option("--template", help="Print such a file and end.")]


@gathered
def new(
    *,
    summary: Summary = "",
    kind: KindOption = None,
    risk: RiskOption = None,
    reason: Reason = "",
    hosts: Hosts = None,
    plan: Plan = "",
    rollback: Rollback = "",
    rollback_when: Trigger = "",
    rollback_by: RollbackOwner = "",
    operation: Operation = "",
    window: Window = "",
    needs: Needs = "1h",
    owner: Owner = "",
    steps: Steps = None,
    standing: StandingOption = "",
    until: Until = "",
    file: FileOption = None,
    template: Template = False,
    call: Call,
) -> int:
    """Ask for a change; it gets its number and waits for approval."""
    if template:
        typer.echo(change_draft.TEMPLATE, nl=False)
        return Exit.FINE
    settings = site_config(call.config)
    given = {
        "summary": summary,
        "kind": kind.value if kind else "",
        "risk": risk.value if risk else "",
        "reason": reason,
        "hosts": hosts or [],
        "plan": change_draft.text_or_file(plan),
        "rollback": _rollback(rollback_when, rollback, rollback_by),
        "operation": operation,
        "window": change_draft.window_body(window, needs, _zone(settings)),
        "owner": owner,
        "steps": [change_draft.step_body(step) for step in steps or []],
        "standing": _standing(standing, until, settings),
    }
    body = _joined({name: value for name, value in given.items() if value}, file, settings)
    _require(body)
    return write(call, "/changes", body)


@gathered
def plan(
    number: Number,
    *,
    reason: Reason = "",
    text: Plan = "",
    rollback: Rollback = "",
    rollback_when: Trigger = "",
    rollback_by: RollbackOwner = "",
    window: Window = "",
    steps: Steps = None,
    call: Call,
) -> int:
    """Write parts of the plan anew (approvals so far are void), or owed paperwork."""
    if window == "next":
        raise ConfigInvalid("is for new changes", where="--window", hint="give START/END")
    zone = _zone(site_config(call.config))
    given = {
        "reason": reason,
        "plan": change_draft.text_or_file(text),
        "rollback": _rollback(rollback_when, rollback, rollback_by),
        "window": change_draft.window_body(window, "", zone),
        "steps": [change_draft.step_body(step) for step in steps or []],
    }
    return write(
        call, f"/changes/{number}/plan", {name: value for name, value in given.items() if value}
    )


def _joined(given: dict[str, Any], file: Path | None, settings: SiteConfig) -> dict[str, Any]:
    """What stands in the file; an option beside it replaces its key."""
    if file is None:
        return given
    return change_draft.file_body(file, _zone(settings)) | given


def _require(body: dict[str, Any]) -> None:
    for name in ("summary", "kind", "risk"):
        if not body.get(name):
            raise ConfigInvalid("is needed", where=f"--{name}", hint="or --file; see --template")


def _rollback(trigger: str, steps: str, owner: str) -> dict[str, str]:
    given = {
        "trigger": trigger,
        "steps": change_draft.text_or_file(steps),
        "owner": owner,
    }
    return {name: text for name, text in given.items() if text}


def _standing(action: str, until: str, settings: SiteConfig) -> dict[str, str] | None:
    if not action and not until:
        return None
    if not (action and until):
        raise ConfigInvalid("a standing change needs both", where="--standing, --until")
    return {"action": action, "until": change_draft.end_of(until, _zone(settings))}


def _zone(settings: SiteConfig) -> ZoneInfo:
    return ZoneInfo(settings.site.timezone)
