# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden waiver`: who answers for which failure, and until when."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.group import Group
from storewarden.cli.options import Config, Lang, say, site_config
from storewarden.cli.tabular import table
from storewarden.domain.baseline.waiver import Scope
from storewarden.domain.baseline.waiver_state import WaiverLine, WaiverState
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.reports import Language
from storewarden.wiring import open_site
from storewarden.wiring.baseline import waivers_of

waiver = typer.Typer(cls=Group, help="Who answers for which failure, until when.")

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]

_STATES: Mapping[WaiverState, tuple[str, str]] = {
    WaiverState.ORPHANED: ("covers no device", "不覆盖任何设备"),
    WaiverState.EXPIRED: ("expired", "已过期"),
    WaiverState.EXPIRING: ("expires soon", "即将到期"),
    WaiverState.NOT_YET: ("not yet valid", "未生效"),
    WaiverState.ACTIVE: ("active", "有效"),
}
_HEADS = {
    Language.EN: ("STATE", "CONTROL", "UNTIL", "DAYS", "HOSTS", "TICKET", "APPROVED BY", "FILE"),
    Language.ZH: ("状态", "检查项", "有效期至", "剩余天数", "设备数", "工单", "批准人", "文件"),
}


@waiver.callback()
def _group() -> None:
    """Who answers for which failure, until when."""


@waiver.command("list")
def list_(*, lang: Lang = None, config: Config = None, as_json: Json = False) -> int:
    """Show all waivers, the most urgent first."""
    settings = site_config(config)
    with open_site(settings) as site:
        lines = waivers_of(site)
    _show(lines, lang or Language(settings.site.language), as_json=as_json)
    return Exit.FINE


@waiver.command()
def check(*, lang: Lang = None, config: Config = None, as_json: Json = False) -> int:
    """Show those that need somebody. 1 when there are any, 2 when an audit would be refused."""
    settings = site_config(config)
    with open_site(settings) as site:
        lines = [line for line in waivers_of(site) if line.state.needs_somebody]
    _show(lines, lang or Language(settings.site.language), as_json=as_json)
    orphans = [line for line in lines if line.state is WaiverState.ORPHANED]
    if orphans:
        first = orphans[0].waiver
        raise ConfigInvalid(
            f"the waiver for {first.control} covers no device of the inventory",
            where=first.source,
            hint="audits are refused until it is corrected or removed",
        )
    return Exit.BELOW if lines else Exit.FINE


def _show(lines: Sequence[WaiverLine], language: Language, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([_plain(line) for line in lines], ensure_ascii=False, indent=2))
    elif lines:
        typer.echo(table([_HEADS[language], *(_row(line, language) for line in lines)]))
    else:
        say("没有需要显示的豁免" if language is Language.ZH else "no waivers to show")


def _row(line: WaiverLine, language: Language) -> tuple[str, ...]:
    each = line.waiver
    return (
        _STATES[line.state][language is Language.ZH],
        each.control,
        each.expires.isoformat(),
        str(line.left),
        str(len(line.hosts)),
        each.ticket,
        ", ".join(each.approvers),
        each.source,
    )


def _plain(line: WaiverLine) -> dict[str, object]:
    each = line.waiver
    return {
        "state": line.state.value,
        "control": each.control,
        "scope": _scope(each.scope),
        "hosts": list(line.hosts),
        "approved": each.approved.isoformat(),
        "expires": each.expires.isoformat(),
        "days_left": line.left,
        "accepted": each.accepted,
        "approvers": list(each.approvers),
        "ticket": each.ticket,
        "justification": each.justification,
        "compensating": each.compensating,
        "source": each.source,
    }


def _scope(scope: Scope) -> dict[str, list[str]]:
    kinds = ("hosts", "groups", "stores", "regions", "roles")
    return {kind: sorted(getattr(scope, kind)) for kind in kinds if getattr(scope, kind)}
