# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden chaos`: break something on purpose and see whether healing finds and repairs it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storewarden.cli.change_call import Json, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.group import Group
from storewarden.cli.options import Config, Lang, check_output, say, site_config, write_out
from storewarden.cli.printing import printable
from storewarden.cli.tabular import table
from storewarden.domain.chaos.fault import FAULTS, USUAL, Fault
from storewarden.domain.chaos.plain import experiment_data, plan_data
from storewarden.domain.chaos.plan import MOST_HOSTS, Plan, Wish
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.domain.chaos.experiment import Experiment
    from storewarden.flows.chaos import News

chaos = typer.Typer(cls=Group, help="Break something on purpose, to prove that healing works.")

_SPAN = re.compile(r"(?:(\d{1,4})m)?(?:(\d{1,4})s)?")
_HEADS = {
    Language.EN: ("FAULT", "WHAT IT DOES", "OPTIONS", "LONGEST", "HEAL ACTION"),
    Language.ZH: ("故障", "作用", "选项", "最长", "自愈动作"),
}


Host = Annotated[
    list[str], typer.Option("--host", metavar="HOST", help="An inventory name; may be repeated.")
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="NAME=VALUE", help="An option of the fault."),
]
Span = Annotated[
    str, typer.Option("--for", metavar="SPAN", help="So long at most: 30s, 5m, 1m30s.")
]
Expect = Annotated[
    str, typer.Option("--expect", metavar="RULE", help="The heal rule that should answer.")
]
AtMost = Annotated[
    int, typer.Option("--at-most", metavar="N", min=1, max=20, help="Hosts broken at once.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what is for and against it; break nothing.")
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write the result as HTML, too.")
]


@chaos.callback()
def _group() -> None:
    """Break something on purpose, to prove that healing works."""


@chaos.command("list")
def list_(*, lang: Lang = None, as_json: Json = False) -> int:
    """Show the faults, their limits, and which heal action should answer each."""
    if as_json:
        show_json([_fault_data(each) for each in FAULTS.values()])
        return Exit.FINE
    language = lang or Language.EN
    typer.echo(table([_HEADS[language], *(_fault_row(each, language) for each in FAULTS.values())]))
    return Exit.FINE


@chaos.command()
def run(
    fault: Annotated[str, typer.Argument(metavar="FAULT", help="storewarden chaos list")],
    *,
    host: Host,
    option: Options = None,
    span: Span = f"{int(USUAL.total_seconds()) // 60}m",
    expect: Expect = "",
    at_most: AtMost = MOST_HOSTS,
    dry_run: DryRun = False,
    html: Html = None,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Break a host, watch healing, take it back, and show what was proved."""
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring.chaos import chaos_page, chaos_plan, chaos_run  # noqa: PLC0415

    settings = site_config(config)
    language = lang or Language(settings.site.language)
    check_output(html)
    given, most = _options(option or ()), _span(span)
    wish = Wish(fault=fault, hosts=tuple(host), options=given, span=most, expect=expect)
    with open_site(settings) as site:
        site.require_ledger()
        if dry_run:
            return _planned(chaos_plan(site, wish, at_most), language, as_json=as_json)
        done = chaos_run(site, wish, at_most, _watcher(language, as_json=as_json))
        if html is not None:
            write_out(chaos_page(site, done, language), html)
    _show(done, language, as_json=as_json)
    return _exit(done)


def _show(done: Experiment, language: Language, *, as_json: bool) -> None:
    from storewarden.wiring.chaos import chaos_table  # noqa: PLC0415

    if as_json:
        show_json(experiment_data(done))
        return
    rows, below = chaos_table(done, language)
    typer.echo("\n".join([table(rows), *map(printable, below)]))


def _exit(done: Experiment) -> int:
    if done.doubtful:
        return Exit.INCOMPLETE
    if done.outcome == "interrupted":
        return Exit.INTERRUPTED
    return Exit.FINE if done.proved else Exit.BELOW


def _planned(plan: Plan, language: Language, *, as_json: bool) -> int:
    """Every reason, those against first."""
    if as_json:
        show_json(plan_data(plan))
    else:
        chinese = language is Language.ZH
        for each in sorted(plan.reasons, key=lambda reason: reason.good):
            where = f"{each.host}: " if each.host else ""
            mark = "+" if each.good else "-"
            typer.echo(printable(f"{mark} {where}{each.zh if chinese else each.en}"))
    return Exit.FINE if plan.allowed else Exit.REFUSED


def _watcher(language: Language, *, as_json: bool) -> Callable[[News], None]:
    def watch(news: News) -> None:
        if as_json:
            told = {"what": news.what, "host": news.host, "en": news.en, "zh": news.zh}
            sys.stderr.write(json.dumps(told, ensure_ascii=False) + "\n")
            sys.stderr.flush()
            return
        text = news.zh if language is Language.ZH else news.en
        say(printable(f"{news.host}: {text}" if news.host else text))

    return watch


def _options(words: Iterable[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name or name in found:
            hint = "NAME=VALUE, each once"
            raise ConfigInvalid(f"{word[:40]!r} is no option", where="--option", hint=hint)
        found[name] = value
    return found


def _span(text: str) -> timedelta:
    found = _SPAN.fullmatch(text)
    if not text or found is None:
        raise ConfigInvalid(f"{text[:20]!r} is no span", where="--for", hint="30s, 5m, 1m30s")
    return timedelta(minutes=int(found[1] or 0), seconds=int(found[2] or 0))


def _fault_row(fault: Fault, language: Language) -> tuple[str, ...]:
    options = " ".join(
        each.name if each.needed else f"[{each.name}={each.default}]" for each in fault.options
    )
    about = fault.zh if language is Language.ZH else fault.en
    longest = f"{int(fault.longest.total_seconds()) // 60} min"
    return (fault.name, about, options, longest, ", ".join(fault.answers) or "-")


def _fault_data(fault: Fault) -> dict[str, object]:
    return {
        "fault": fault.name,
        "en": fault.en,
        "zh": fault.zh,
        "touches": fault.touches.value,
        "longest": int(fault.longest.total_seconds()),
        "answers": list(fault.answers),
        "options": [
            {"name": each.name, "needed": each.needed, "default": each.default}
            for each in fault.options
        ],
    }
