# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden restore`: what would come back, and bringing it back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storewarden.cli.change_call import Json, TokenFile, refusals_in, show_json
from storewarden.cli.drill import From, PolicyId, moment_of
from storewarden.cli.exits import Exit
from storewarden.cli.group import Group
from storewarden.cli.options import Config, Lang, say, site_config
from storewarden.cli.tabular import table
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from pathlib import Path

    from storewarden.config import SiteConfig
    from storewarden.flows.restore import Restored
    from storewarden.flows.restore_plan import Into, RestorePlan
    from storewarden.wiring import Site


class RestoreGroup(Group):
    """``restore SET`` is ``restore backup SET``: what is no word of ours names what comes back."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """The words, with the one that was left out."""
        own = {*self.commands, "-h", "--help"}
        words = args if not args or args[0] in own else ["backup", *args]
        return super().parse_args(ctx, words)


restore = typer.Typer(cls=RestoreGroup, help="Bring a backup back; by default only say how.")

_WORDS = {
    "set": ("set {0} of {1}, from {2}", "备份集 {0}（{1}），来源 {2}"),
    "lost": (
        "data up to {0} come back; what was written in the {1} since is lost",
        "恢复至 {0} 的数据；此后 {1} 内写入的数据将丢失",
    ),
    "measured": ("takes {0}, the slowest of {1} measured", "约需 {0}（{1} 次实测中最长）"),
    "modelled": (
        "takes {0} to fetch, modelled (bytes over the line): never measured",
        "取回约需 {0}（按字节数与线路推算，未实测）",
    ),
    "unknown": ("nobody has measured how long it takes", "所需时间未知：从未实测"),
    "steps": ("steps, --into {0}:", "步骤（--into {0}）："),
    "dry": (
        "nothing was done; --into scratch or --into production --change NUMBER does it",
        "未执行任何操作；使用 --into scratch 或 --into production --change 变更号 执行",
    ),
    "kept": ("restored to {0} on {1}", "已恢复到 {1} 的 {0}"),
    "drop": (
        "when you have looked: storewarden restore drop {0}",
        "查看后删除：storewarden restore drop {0}",
    ),
    "replaced": ("production of {0} is set {1} now", "{0} 的生产数据现为备份集 {1}"),
    "point": ("restore point: {0}", "还原点：{0}"),
    "undo": ("the way back: {0}", "回退方法：{0}"),
    "dropped": ("removed {0}", "已删除 {0}"),
    "same": ("it is what runs there", "与正在运行的配置一致"),
    "device": (
        "storewarden does not push configurations: load {0} in the device's own way, on a change",
        "storewarden 不下发配置：请在变更单内按设备自身方式加载 {0}",
    ),
}


@restore.callback()
def _group() -> None:
    """Bring a backup back; by default only say how."""


Subject = Annotated[str, typer.Argument(metavar="SET|HOST", help="A set, or a host.")]
Moment = Annotated[str, typer.Option("--at", metavar="TIME", help="As it was then.")]
Where = Annotated[str, typer.Option("--into", metavar="scratch|production", help="Do it, there.")]
Change = Annotated[
    str, typer.Option("--change", metavar="NUMBER", help="For production: the change.")
]
Unsaved = Annotated[
    str,
    typer.Option("--unsaved", metavar="REASON", help="Why what is there cannot be backed up."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@restore.command()
def backup(
    subject: Subject,
    *,
    policy: PolicyId = "",
    at: Moment = "",
    place: From = "",
    into: Where = "",
    change: Change = "",
    unsaved: Unsaved = "",
    dry_run: DryRun = False,
    token_file: TokenFile = None,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Say step by step what a restore would do, how long it takes and what is lost; or do it."""
    from storewarden.flows.restore_plan import RestoreWish  # noqa: PLC0415
    from storewarden.wiring import backup_proven as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    settings, target = site_config(config), _into(into)
    language = lang or Language(settings.site.language)
    with open_site(settings) as site:
        site.require_ledger()
        named = subject if site.ledger.backups.set(subject) is not None else ""
        wish = RestoreWish(
            host="" if named else subject,
            policy=policy,
            set=named,
            location=place,
            at=moment_of(at, settings, "--at"),
        )
        plan = wired.restore_plan(site, wish, target)
        _on_a_change(target, change)
        if not as_json:
            typer.echo("\n".join(_planned(plan, language, settings)))
        if target is None or dry_run:
            return _said(plan, language, as_json=as_json)
        done = _carried_out(site, plan, (change, unsaved), token_file, language)
    if as_json:
        show_json(_data(plan) | _came(done))
    else:
        typer.echo("\n".join(_done(done, target, language)))
    return Exit.FINE


@restore.command()
def drop(
    run: Annotated[str, typer.Argument(metavar="RUN", help="As restore told it.")],
    *,
    lang: Lang = None,
    config: Config = None,
) -> int:
    """Remove the folder that a restore into scratch has kept."""
    from storewarden.wiring import backup_proven as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    settings = site_config(config)
    with open_site(settings) as site:
        site.require_ledger()
        folder = wired.drop_restored(site, run)
    typer.echo(_word("dropped", lang or Language(settings.site.language)).format(folder))
    return Exit.FINE


@restore.command("list")
def list_(*, config: Config = None, as_json: Json = False) -> int:
    """Show restores, newest first."""
    from storewarden.domain.backup.catalog import Verb  # noqa: PLC0415
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s

    with open_site(site_config(config)) as site:
        site.require_ledger()
        found = site.ledger.backups.runs(verb=Verb.RESTORE, limit=100)
    rows = [
        {
            "run": each.id,
            "target": each.target.name,
            "set": each.sets[-1] if each.sets else "",
            "began": each.began.isoformat(timespec="seconds"),
            "end": each.end.value if each.end else "running",
            "into": "production" if each.change else "scratch",
            "change": each.change,
            "by": each.by,
            "reason": each.reason,
        }
        for each in found
    ]
    if as_json:
        show_json({"restores": rows})
    elif rows:
        typer.echo(table([[key.upper() for key in rows[0]], *([*each.values()] for each in rows)]))
    return Exit.FINE


@restore.command()
def device(
    name: Annotated[str, typer.Argument(metavar="DEVICE", help="Its name in the inventory.")],
    *,
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="As it was then.")] = "",
    tested: Annotated[
        str,
        typer.Option("--tested", metavar="TEXT", help="Who tried it where, and how it came out."),
    ] = "",
    lang: Lang = None,
    config: Config = None,
) -> int:
    """Show what a kept configuration would change on a device, secrets left out.

    Loading it is done by hand, and only what was tried elsewhere: without --tested it is refused.
    """
    from storewarden.wiring import backup_proven as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    settings = site_config(config)
    language = lang or Language(settings.site.language)
    with open_site(settings) as site:
        file, difference = wired.device_diff(site, name, moment_of(at, settings, "--at"))
        typer.echo(difference or _word("same", language))
        if not difference:
            return Exit.FINE
        said = " ".join(tested.split())
        if not said:
            raise Refused(
                "nobody said that it was tried elsewhere",
                where=file,
                hint='guide 1.7.4: --tested "who, on which device, how it came out"',
            )
        wired.device_tested(site, name, file, said)
    typer.echo(_word("device", language).format(file))
    return Exit.FINE


def _carried_out(
    site: Site,
    plan: RestorePlan,
    words: tuple[str, str],
    token_file: Path | None,
    language: Language,
) -> Restored:
    """Into scratch by whoever is here; into production by the owner of a token, on a change."""
    from storewarden.flows.restore_plan import Into  # noqa: PLC0415
    from storewarden.wiring import backup_proven as wired  # noqa: PLC0415
    from storewarden.wiring.harden import service_desk  # noqa: PLC0415

    def told(en: str, zh: str) -> None:
        say(zh if language is Language.ZH else en)

    if plan.into is not Into.PRODUCTION:
        return wired.restore(site, plan, told)
    change, unsaved = words
    with service_desk(site, os.environ, token_file) as desk, refusals_in(site.config):
        return wired.restore(site, plan, told, desk=desk, change=change, unsaved=unsaved)


def _into(text: str) -> Into | None:
    from storewarden.flows.restore_plan import Into  # noqa: PLC0415

    if not text:
        return None
    if text not in {each.value for each in Into}:
        raise ConfigInvalid(f"{text[:20]!r} is neither scratch nor production", where="--into")
    return Into(text)


def _on_a_change(into: Into | None, change: str) -> None:
    if into is not None and into.value == "production" and not change:
        raise ConfigInvalid(
            "is replaced on an approved change only", where="production", hint="--change NUMBER"
        )


def _planned(plan: RestorePlan, language: Language, settings: SiteConfig) -> list[str]:
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    from storewarden.adapters.reports.drill_words import moment, span  # noqa: PLC0415

    zone = ZoneInfo(settings.site.timezone)
    found = [
        _word("set", language).format(plan.source.backup.id, plan.target.name, plan.location),
        _word("lost", language).format(moment(plan.point, zone), span(plan.lost)),
    ]
    took, many = plan.expected.span, plan.expected.measured
    word = "unknown" if took is None else "measured" if many else "modelled"
    found.append(_word(word, language).format(span(took) if took is not None else "", many))
    steps = (zh if language is Language.ZH else en for en, zh in plan.steps)
    into = plan.into.value if plan.into is not None else "scratch"
    found.append(_word("steps", language).format(into))
    return [*found, *(f"{number}. {each}" for number, each in enumerate(steps, 1))]


def _said(plan: RestorePlan, language: Language, *, as_json: bool) -> int:
    if as_json:
        show_json(_data(plan))
    else:
        say(_word("dry", language))
    return Exit.FINE


def _done(done: Restored, into: Into, language: Language) -> list[str]:
    target, backup = done.plan.target, done.plan.source.backup
    if into.value == "scratch":
        return [
            _word("kept", language).format(done.kept, target.host),
            _word("drop", language).format(done.run),
        ]
    notes = (zh if language is Language.ZH else en for en, zh in done.notes)
    found = [_word("replaced", language).format(target.name, backup.id), *notes]
    found += [_word("point", language).format(done.point)] if done.point else []
    return [*found, *([_word("undo", language).format(done.undo)] if done.undo else [])]


def _came(done: Restored) -> dict[str, Any]:
    return {
        "run": done.run,
        "kept": done.kept,
        "before": done.before,
        "restore_point": done.point,
        "done": [en for en, _zh in done.notes],
        "undo": done.undo,
    }


def _data(plan: RestorePlan) -> dict[str, Any]:
    took = plan.expected.span
    return {
        "target": plan.target.name,
        "set": plan.source.backup.id,
        "chain": [each.id for each in plan.source.chain.sets],
        "place": plan.location,
        "point": plan.point.isoformat(),
        "lost_seconds": plan.lost.total_seconds(),
        "takes_seconds": None if took is None else took.total_seconds(),
        "takes_measured": plan.expected.measured,
        "steps": [en for en, _zh in plan.steps],
    }


def _word(name: str, language: Language) -> str:
    return _WORDS[name][language is Language.ZH]
