# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden backup`: what is to be backed up, and when."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.backup_catalog import hold, list_sets, release, show_set
from storewarden.cli.backup_coverage import coverage
from storewarden.cli.backup_expire import expire
from storewarden.cli.backup_proof import prove
from storewarden.cli.backup_run import copy, run, status, stop, verify
from storewarden.cli.change_call import Json, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.group import Group
from storewarden.cli.options import Config, Lang, site_config
from storewarden.cli.tabular import table
from storewarden.domain.backup.policy import SetKind
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.maintenance.words import duration
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.domain.backup.device_config import ConfigFile
    from storewarden.domain.backup.night import Slot
    from storewarden.flows.backup_plan import BackupPlan
    from storewarden.flows.device_backup import DeviceResult

backup = typer.Typer(cls=Group, help="What is backed up, when, and what is missing.")
backup.command()(run)
backup.command()(copy)
backup.command()(verify)
backup.command()(status)
backup.command()(stop)
backup.command()(coverage)
backup.command("list")(list_sets)
backup.command("show")(show_set)
backup.command()(hold)
backup.command()(release)
backup.command("prove-321")(prove)
backup.add_typer(expire, name="expire")

_KIB = 1024
_NAMED = 10  # hosts that a line names; the rest are counted

_HEAD = {
    "en": ("HOST", "POLICY", "SET", "BEGINS", "ENDS", "SIZE", "WHY"),
    "zh": ("主机", "策略", "备份集", "开始", "结束", "大小", "原因"),
}
_KINDS = {
    SetKind.FULL: "全量",
    SetKind.DIFFERENTIAL: "差异",
    SetKind.INCREMENTAL: "增量",
    SetKind.LOG: "日志",
}


@backup.callback()
def _group() -> None:
    """What is backed up, when, and what is missing."""


@backup.command()
def plan(
    *,
    night: Annotated[
        str, typer.Option("--night", metavar="DAY", help="The day on which the night begins.")
    ] = "",
    host: Annotated[str, typer.Option("--host", metavar="H", help="Of one host only.")] = "",
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show what will be taken of which host in a night, when, and what does not fit.

    The exit code is 1 when something does not fit, or a host is bound by no policy.
    """
    from storewarden.wiring import backup as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    settings = site_config(config)
    language = (lang or Language(settings.site.language)).value
    with open_site(settings) as site:
        day = wired.night_of(night) if night else wired.today(site)
        found = wired.planned(site, day, host)
    zone = ZoneInfo(settings.site.timezone)
    if as_json:
        show_json(_data(found))
    else:
        typer.echo("\n".join(_lines(found, host, language, zone)))
    return Exit.FINE if found.whole else Exit.BELOW


_CAME_HEAD = {
    "en": ("DEVICE", "CAME", "LAST GOOD CONFIGURATION", "WHY"),
    "zh": ("设备", "结果", "最近有效配置", "原因"),
}
_CAME = {
    "first": ("kept, the first one", "首次保存"),
    "changed": ("changed and kept", "有变化，已保存"),
    "unchanged": ("unchanged", "无变化"),
    "rejected": ("refused", "已拒绝"),
    "failed": ("failed", "失败"),
}
Device = Annotated[str, typer.Argument(metavar="DEVICE", help="Its name in the inventory.")]


@backup.command()
def devices(
    *,
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="H", help="Only this one; may be repeated."),
    ] = None,
    smaller: Annotated[
        bool, typer.Option("--smaller", help="Take one that shrank; with --host only.")
    ] = False,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Read the configurations of network devices, and keep those that changed.

    The exit code is 4 when one could not be read, or what came back is no configuration.
    """
    from storewarden.flows.device_backup import GOOD  # noqa: PLC0415
    from storewarden.wiring import backup_devices as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    if smaller and not host:
        raise ConfigInvalid("is for devices that are named", where="--smaller", hint="--host H")
    settings = site_config(config)
    language = (lang or Language(settings.site.language)).value

    def told(result: DeviceResult) -> None:
        if not as_json:
            sys.stderr.write(f"{result.device}: {_came(result, language)}\n")

    with open_site(settings) as site:
        found = wired.device_backup(site, tuple(host or ()), told, smaller=smaller)
    if as_json:
        show_json(
            [
                {"device": one.device, "came": one.came.value, "file": one.file, "reason": one.en}
                for one in found
            ]
        )
    else:
        rows = [
            (one.device, _CAME[one.came.value][language == "zh"], one.file, _why(one, language))
            for one in found
        ]
        typer.echo(table([_CAME_HEAD[language], *rows]))
    return Exit.FINE if all(one.came in GOOD for one in found) else Exit.INCOMPLETE


@backup.command()
def history(device: Device, *, config: Config = None, as_json: Json = False) -> int:
    """Show which configurations of a device there are, oldest first."""
    from storewarden.wiring import backup as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    with open_site(site_config(config)) as site:
        files = wired.device_store(site).files(device)
    if not files:
        raise ConfigInvalid("no configuration of it was ever kept", where=device)
    if as_json:
        show_json(
            [
                {"file": each.name, "version": str(each.version), "day": f"{each.day}"}
                for each in files
            ]
        )
    else:
        typer.echo("\n".join(each.name for each in files))
    return Exit.FINE


@backup.command()
def diff(
    device: Device,
    *,
    old: Annotated[
        str, typer.Option("--from", metavar="V", help="As v1.0; the last but one by default.")
    ] = "",
    new: Annotated[str, typer.Option("--to", metavar="V", help="The last one by default.")] = "",
    config: Config = None,
) -> int:
    """Show what changed between two configurations of a device; secrets are not shown.

    Lines that the device writes anew by itself do not count. Without a difference nothing is shown.
    """
    from storewarden.domain.backup.device_config import difference, shown  # noqa: PLC0415
    from storewarden.wiring import backup as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    with open_site(site_config(config)) as site:
        store = wired.device_store(site)
        files = store.files(device)
        one, other = _version(files, old, device, -2), _version(files, new, device, -1)
        platform = wired.platform_of(site, device)
        told = difference(store.text(one), store.text(other), platform, (one.name, other.name))
    if told:
        typer.echo(shown(told))
    return Exit.FINE


def _version(files: Sequence[ConfigFile], text: str, device: str, place: int) -> ConfigFile:
    if not text and len(files) >= -place:
        return files[place]
    found = next((each for each in files if str(each.version) == text), None)
    if found is None:
        known = ", ".join(str(each.version) for each in files[-_NAMED:]) or "none"
        what = f"there is no version {text} of it" if text else "there are no two versions of it"
        raise ConfigInvalid(what, where=device, hint=f"there are: {known}")
    return found


def _came(result: DeviceResult, language: str) -> str:
    told, why = _CAME[result.came.value][language == "zh"], _why(result, language)
    return f"{told}: {why}" if why else told


def _why(result: DeviceResult, language: str) -> str:
    return result.zh if language == "zh" else result.en


def _lines(found: BackupPlan, host: str, language: str, zone: ZoneInfo) -> list[str]:
    rows = [_row(each, language, zone) for each in found.plan.slots]
    told = [table([_HEAD[language], *rows]), ""] if rows else []
    more = _ships(found, language) if host else _sums(found, language)
    return [*told, *more, *_wrong(found, language)]


def _row(slot: Slot, language: str, zone: ZoneInfo) -> tuple[str, ...]:
    wanted = slot.wanted
    zh = language == "zh"
    return (
        wanted.host,
        wanted.policy,
        _KINDS[wanted.kind] if zh else wanted.kind.value,
        f"{slot.time.starts.astimezone(zone):%m-%d %H:%M}",
        f"{slot.time.ends.astimezone(zone):%m-%d %H:%M}",
        _size(wanted.size),
        wanted.zh if zh else wanted.en,
    )


def _sums(found: BackupPlan, language: str) -> list[str]:
    """The night as a whole."""
    night, zh = found.plan, language == "zh"
    many, span, size = len(night.slots), duration(night.span, language), _size(night.size)
    lines = [
        f"{found.night} 夜间：{many} 个备份集，{size}，共 {span}"
        if zh
        else f"night of {found.night}: {many} sets, {size}, {span} in all"
    ]
    for hub, most in sorted(night.busiest.items()):
        if hub:
            lines.append(f"{hub}：最多同时 {most} 个" if zh else f"{hub}: at most {most} at once")
    return lines


def _wrong(found: BackupPlan, language: str) -> list[str]:
    """Everything that does not fit, or that nobody backs up."""
    zh = language == "zh"
    lines = [_late(each, language) for each in found.plan.late]
    for names, en, text in (
        (_pairs(found.closed), "the store is open for the whole window", "窗口内门店始终营业"),
        (_pairs(found.unsized), "size not known, planned as if empty", "大小未知，按空计算"),
        (found.idle, "policies that bind no host", "未绑定任何主机的策略"),
        (found.unbound, "no policy binds", "没有任何策略"),
    ):
        if names:
            lines.append(f"{text}：{_some(names)}" if zh else f"{en}: {_some(names)}")
    return lines


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{host}/{policy}" for host, policy in pairs]


def _late(slot: Slot, language: str) -> str:
    wanted = slot.wanted
    over = duration(slot.time.ends - wanted.window.ends, language)
    if language == "zh":
        return f"无法按时完成：{wanted.host}/{wanted.policy}，超出窗口 {over}"
    return f"does not fit: {wanted.host}/{wanted.policy} would end {over} after its window"


def _ships(found: BackupPlan, language: str) -> list[str]:
    """What does not wait for the night."""
    return [
        f"{each.policy}：每 {each.step.hours} 小时传送{_KINDS[each.step.kind]}"
        if language == "zh"
        else f"{each.policy}: {each.step.kind.value} every {each.step.hours} h, day and night"
        for each in found.shipping
    ]


def _some(names: Sequence[str]) -> str:
    left = len(names) - _NAMED
    told = ", ".join(names[:_NAMED])
    return f"{told} +{left}" if left > 0 else told


def _size(size: int) -> str:
    found = float(size)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if found < _KIB or unit == "TB":
            return f"{found:.0f} {unit}" if unit == "B" else f"{found:.1f} {unit}"
        found /= _KIB
    raise AssertionError  # the loop always returns


def _data(found: BackupPlan) -> dict[str, Any]:
    def slot(each: Slot) -> dict[str, Any]:
        wanted = each.wanted
        return {
            "host": wanted.host,
            "policy": wanted.policy,
            "set": wanted.kind.value,
            "begins": each.time.starts.isoformat(),
            "ends": each.time.ends.isoformat(),
            "bytes": wanted.size,
            "why": wanted.en,
        }

    return {
        "night": found.night.isoformat(),
        "sets": [slot(each) for each in found.plan.slots],
        "late": [slot(each) for each in found.plan.late],
        "shipping": [
            {
                "host": each.host,
                "policy": each.policy,
                "set": each.step.kind.value,
                "every_hours": each.step.hours,
            }
            for each in found.shipping
        ],
        "unbound": list(found.unbound),
        "policies_without_hosts": list(found.idle),
        "open_all_night": [list(each) for each in found.closed],
        "size_unknown": [list(each) for each in found.unsized],
        "seconds": int(found.plan.span.total_seconds()),
        "bytes": found.plan.size,
        "busiest": dict(found.plan.busiest),
    }
