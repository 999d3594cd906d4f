# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden rollout list|status``: where rollouts stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.change_call import Json, change_number, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, Lang, page_for, say, site_config, write_out
from storewarden.cli.rollout_orders import Number
from storewarden.cli.tabular import table
from storewarden.domain.maintenance.words import moment
from storewarden.domain.outbox.rollout_terms import STATES
from storewarden.domain.rollout.record import RolloutState
from storewarden.domain.rollout.tables import ENDED, LINGERING
from storewarden.ports.reports import Language
from storewarden.ports.rollout_status import DONE, StatusFormat
from storewarden.wiring import open_site

if TYPE_CHECKING:
    from storewarden.ports.rollouts import RolloutLine

_HEADS = {
    Language.EN: ("ROLLOUT", "PAYLOAD", "STATE", "WAVE", "HOSTS", "OPENED", "WHY IT WAITS"),
    Language.ZH: ("发布", "载荷", "状态", "波次", "主机", "建立", "等待原因"),
}
_WORDS = {
    "none": ("no rollout under way (--all shows those that are over)",
             "没有进行中的发布（--all 显示全部）"),
    "none_at_all": ("no rollout yet", "尚无发布"),
    "more": ("there are more: --limit", "还有更多：--limit"),
    "stopped": ("kill switch: nothing new begins in any rollout: {why} (storewarden rollout go-on)",
                "总停开关：所有发布均不再开始新操作：{why}（storewarden rollout go-on）"),
}  # fmt: skip
_BACK = frozenset({RolloutState.ROLLED_BACK, RolloutState.CANCELLED, RolloutState.SUPERSEDED})
_OVER = ENDED - LINGERING


def _change(text: str) -> str:
    return change_number(text) if text else ""


def list_(
    *,
    change: Annotated[
        str, typer.Option("--change", metavar="NUMBER", help="Of this change.", callback=_change)
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="With those that have ended.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show rollouts, newest first; those that are over only with --all or --change."""
    from storewarden.wiring.rollout import Rollouts  # noqa: PLC0415
    from storewarden.wiring.rollout_status import line_data  # noqa: PLC0415

    settings = site_config(config)
    everything = everything or bool(change)
    states = () if everything else [each for each in RolloutState if each not in _OVER]
    with open_site(settings) as site:
        site.require_ledger()
        rollouts = Rollouts(site)
        lines = rollouts.lines(states=states, change=change, limit=limit + 1)
        stopped = rollouts.stopped()
    language, shown = lang or Language(settings.site.language), lines[:limit]
    if as_json:
        more = len(lines) > limit
        found = [line_data(line) for line in shown]
        show_json({"stopped": stopped, "rollouts": found, "more": more})
        return Exit.FINE
    if stopped:
        say(_word("stopped", language).format(why=stopped))
    if shown:
        zone = ZoneInfo(settings.site.timezone)
        typer.echo(table([_HEADS[language], *(_row(line, zone, language) for line in shown)]))
    if len(lines) > limit or not lines:
        say(_word("more" if lines else "none_at_all" if everything else "none", language))
    return Exit.FINE


def status(
    number: Number,
    *,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show where a rollout stands: waves, gates, stores, what is owed."""
    from storewarden.wiring.rollout_status import RolloutLook, rendered  # noqa: PLC0415

    settings = site_config(config)
    with open_site(settings) as site:
        found = RolloutLook(site, number).status()
    shape = StatusFormat.JSON if as_json else StatusFormat.TABLE
    write_out(rendered(found, shape, page_for(lang, settings, drift_only=False)), None)
    return how(found.rollout.state)


def how(state: RolloutState) -> Exit:
    """How a rollout came out, as an exit code; one that goes on is fine."""
    if state in LINGERING:
        return Exit.INCOMPLETE
    return Exit.BELOW if state in _BACK else Exit.FINE


def _word(name: str, language: Language) -> str:
    return _WORDS[name][language is Language.ZH]


def _row(line: RolloutLine, zone: ZoneInfo, language: Language) -> tuple[str, ...]:
    done = sum(line.counts.get(state.value, 0) for state in DONE)
    return (
        line.number,
        line.payload,
        STATES[line.state.value].in_(language.value),
        f"{line.wave}/{line.waves}",
        f"{done}/{sum(line.counts.values())}",
        moment(line.opened, zone, language.value),
        (line.held_zh if language is Language.ZH else "") or line.held,
    )
