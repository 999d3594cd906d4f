# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden backup run`, `copy`, `verify`, `status`, `stop`: jobs on hosts, by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storewarden.cli.change_call import Json, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, Lang, say, site_config
from storewarden.cli.printing import printable
from storewarden.cli.tabular import table
from storewarden.domain.backup.catalog import RunEnd
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from pathlib import Path

    from storewarden.domain.backup.catalog import Run
    from storewarden.flows.backup_work import Outcome
    from storewarden.wiring.backup_run import Carried, Orders

_HEAD = {
    "en": ("RUN", "HOST", "POLICY", "WHAT", "AT", "CAME", "SET", "TIME", "WHY"),
    "zh": ("任务", "主机", "策略", "动作", "位置", "结果", "备份集", "用时", "原因"),
}
_VERBS = {
    "take": "备份", "copy": "复制", "verify": "验证", "drill": "演练", "restore": "恢复",
    "prune": "清理", "canary": "防删检验",
}  # fmt: skip
_ENDS = {
    "done": "完成", "failed": "失败", "busy": "占用", "auth": "凭据被拒", "interrupted": "中断",
    "no-space": "空间不足", "rejected": "无效",
}  # fmt: skip
_STATES = {
    "running": ("under way", "进行中"),
    "unreachable": ("host does not answer", "主机无响应"),
    "absent": ("not begun yet", "尚未开始"),
    "lost": ("cut off", "已中断"),
    "open": ("open", "未结束"),
}
_SHOWN = 40

What = Annotated[
    str, typer.Argument(metavar="SET|HOST", help="A set of backup list, or all of a host.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end; else only begin.")]


def run(
    hosts: Annotated[
        list[str] | None, typer.Argument(metavar="[HOST]...", help="All of the policy by default.")
    ] = None,
    *,
    policy: Annotated[str, typer.Option("--policy", metavar="P", help="Of this policy only.")] = "",
    kind: Annotated[SetKind, typer.Option("--kind", help="How much of the data.")] = SetKind.FULL,
    wait: Wait = True,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Take sets now. A job runs by itself on its host, whatever happens to the line.

    The exit code is 0 when all are done, 4 when one is not.
    """
    from storewarden.wiring.backup_run import taking  # noqa: PLC0415 - costs 0.3 s

    orders = taking(tuple(hosts or ()), policy, kind)
    return _carry(orders, config, lang, wait=wait, as_json=as_json)


def copy(
    what: What,
    *,
    to: Annotated[str, typer.Option("--to", metavar="LOCATION", help="To one place only.")] = "",
    wait: Wait = True,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Copy what is missing to the places of its policy; nothing to do is fine."""
    from storewarden.wiring.backup_run import copying  # noqa: PLC0415 - costs 0.3 s

    return _carry(copying(what, to), config, lang, wait=wait, as_json=as_json)


def verify(
    what: What,
    *,
    level: Annotated[
        int,
        typer.Option(
            "--level",
            min=1,
            max=4,
            metavar="N",
            help="1 it is there, 2 all of it is read, 3 it starts, 4 its data are proven.",
        ),
    ] = 2,
    at: Annotated[str, typer.Option("--at", metavar="LOCATION", help="In one place only.")] = "",
    wait: Wait = True,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Look at what lies in its places, as deep as asked."""  # fmt: skip
    from storewarden.wiring.backup_run import verifying  # noqa: PLC0415 - costs 0.3 s

    return _carry(verifying(what, Level(level), at), config, lang, wait=wait, as_json=as_json)


def status(
    *,
    only_open: Annotated[bool, typer.Option("--open", help="Only what has not ended.")] = False,
    host: Annotated[str, typer.Option("--host", metavar="H", help="Of one host only.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="So many.")] = _SHOWN,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show the last runs, newest first, as they stand in the catalog; no host is asked."""
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s

    settings = site_config(config)
    language = (lang or Language(settings.site.language)).value
    with open_site(settings) as site:
        site.require_ledger()
        catalog = site.ledger.backups
        found = catalog.runs(host=host, limit=0 if only_open else limit)
    runs = [each for each in found if not only_open or each.end is None][:limit]
    if as_json:
        show_json([_data(each, "open") for each in runs])
    elif runs:
        rows = [_row(each, "open", language) for each in runs]
        typer.echo(table([_HEAD[language], *rows]))
    else:
        say("没有任务" if language == "zh" else "there are no runs")
    return Exit.FINE


def stop(
    number: Annotated[str, typer.Argument(metavar="RUN", help="storewarden backup status --open")],
    *,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """End a run in its middle: TERM, half a minute, then all of it."""
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring.backup_run import Carried, stopped  # noqa: PLC0415

    settings = site_config(config)
    language = (lang or Language(settings.site.language)).value
    with open_site(settings) as site:
        site.require_ledger()
        done = stopped(site, number)
    _show(Carried(outcomes=(done,)), language, as_json=as_json)
    return Exit.FINE if done.run.end is not None else Exit.INCOMPLETE


def _carry(
    orders: Orders, config: Path | None, lang: Language | None, *, wait: bool, as_json: bool
) -> int:
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring.backup_run import carried  # noqa: PLC0415

    settings = site_config(config)
    language = (lang or Language(settings.site.language)).value
    with open_site(settings) as site:
        done = carried(site, orders, _watcher(language, as_json=as_json), wait=wait)
    _show(done, language, as_json=as_json)
    if done.interrupted:
        say("任务在主机上继续运行" if language == "zh" else "what has begun goes on by itself")
        return Exit.INTERRUPTED
    good = all(each.run.end is RunEnd.DONE and not _damaged(each) for each in done.outcomes)
    begun = not wait and all(each.run.end in (None, RunEnd.DONE) for each in done.outcomes)
    return Exit.FINE if good or begun else Exit.INCOMPLETE


def _damaged(outcome: Outcome) -> dict[str, str]:
    """Sets that a look found damaged, with what is wrong."""
    there = outcome.report.sets if outcome.report is not None else ()
    return {each.id: each.damaged for each in there if each.damaged}


def _watcher(language: str, *, as_json: bool) -> Callable[[Outcome], None]:
    def told(outcome: Outcome) -> None:
        if as_json:
            text = json.dumps(_data(outcome.run, outcome.state.value), ensure_ascii=False)
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
            return
        run = outcome.run
        why = outcome.zh if language == "zh" else outcome.en
        came = _came(run, outcome.state.value, language)
        verb = _VERBS[run.verb.value] if language == "zh" else run.verb.value
        text = f"{run.target.name}: {verb}: {came}"
        say(printable(f"{text}: {why}" if why else text))

    return told


def _show(done: Carried, language: str, *, as_json: bool) -> None:
    outcomes: Sequence[Outcome] = done.outcomes
    if as_json:
        found = [(_data(each.run, each.state.value), _damaged(each)) for each in outcomes]
        show_json([{**data, "damaged": damaged} for data, damaged in found])
    elif outcomes:
        rows = [_row(each.run, each.state.value, language) for each in outcomes]
        typer.echo(table([_HEAD[language], *rows]))
        for name, why in (pair for each in outcomes for pair in _damaged(each).items()):
            typer.echo(printable(f"{'已损坏' if language == 'zh' else 'damaged'}: {name}: {why}"))
    else:
        say("无需操作" if language == "zh" else "there is nothing to do")


def _came(run: Run, state: str, language: str) -> str:
    zh = language == "zh"
    if run.end is None:
        return _STATES.get(state, _STATES["open"])[zh]
    return _ENDS[run.end.value] if zh else run.end.value


def _row(run: Run, state: str, language: str) -> tuple[str, ...]:
    zh = language == "zh"
    return (
        run.id,
        run.target.host,
        run.target.policy,
        _VERBS[run.verb.value] if zh else run.verb.value,
        run.location,
        _came(run, state, language),
        run.set.split("/", 2)[-1],
        f"{run.seconds:.1f} s" if run.seconds else "",
        printable(run.reason_zh or run.reason if zh else run.reason),
    )


def _data(run: Run, state: str) -> dict[str, Any]:
    return {
        "run": run.id,
        "host": run.target.host,
        "policy": run.target.policy,
        "verb": run.verb.value,
        "kind": run.kind.value,
        "location": run.location,
        "sets": list(run.sets),
        "level": int(run.level),
        "by": run.by,
        "night": run.night,
        "began": run.began.isoformat(),
        "ended": run.ended.isoformat() if run.ended else None,
        "state": "ended" if run.end else state,
        "end": run.end.value if run.end else None,
        "reason": run.reason,
        "reason_zh": run.reason_zh,
        "set": run.set,
        "seconds": run.seconds,
        "tool_seconds": run.tool_seconds,
    }
