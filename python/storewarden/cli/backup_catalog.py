# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden backup list|show|hold|release`: what the catalog has of sets, and legal holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from storewarden.cli.change_call import Json, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, Lang, say, site_config
from storewarden.cli.printing import printable
from storewarden.cli.tabular import table
from storewarden.domain.backup.catalog import level_of
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.domain.backup.catalog import BackupSet, Copy
    from storewarden.ports.ledger import JournalEntry

_KIB = 1024
_MOST = 50
_HEAD = {
    "en": ("SET", "KIND", "RECEIVED", "SIZE", "LEVEL", "COPIES", ""),
    "zh": ("备份集", "类型", "登记时间", "大小", "级别", "副本", ""),
}
_COPY_HEAD = {
    "en": ("PLACE", "LEVEL", "LAST SEEN", "LOCKED UNTIL", ""),
    "zh": ("位置", "级别", "最近验证", "锁定至", ""),
}
_WORDS = {
    "hold": ("legal hold", "法务保留"),
    "gone": ("gone", "已删除"),
    "doubt": ("in doubt: {why}", "存疑：{why}"),
    "none": ("the catalog has no such set", "目录中没有备份集"),
    "held": ("{id}: held; nothing of it is deleted", "{id}：已设置法务保留，不会被删除"),
    "released": ("{id}: released", "{id}：已解除法务保留"),
    "held_already": ("{id}: is held already", "{id}：已处于法务保留"),
    "free": ("{id}: is not held", "{id}：未设置法务保留"),
    "parent": ("builds upon", "依赖"),
    "taken": ("taken", "备份时间"),
    "received": ("received", "登记时间"),
    "history": ("history", "历史"),
}

SetId = Annotated[str, typer.Argument(metavar="SET", help="HOST/POLICY/SET, as backup list shows.")]
Reason = Annotated[str, typer.Option("--reason", metavar="WHY", help="Kept in the journal.")]


def list_sets(
    *,
    host: Annotated[str, typer.Option("--host", metavar="H", help="Of one host only.")] = "",
    policy: Annotated[str, typer.Option("--policy", metavar="P", help="Of one policy only.")] = "",
    gone: Annotated[bool, typer.Option("--gone", help="Also those that were deleted.")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="0 for all.")] = _MOST,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show the sets of the catalog, newest first."""
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s

    settings = site_config(config)
    language = (lang or Language(settings.site.language)).value
    with open_site(settings) as site:
        found = site.ledger.backups.sets(host=host, policy=policy, gone=gone, limit=limit)
    zone = ZoneInfo(settings.site.timezone)
    if as_json:
        show_json([set_data(each) for each in found])
    elif not found:
        say(_word("none", language))
    else:
        typer.echo(table([_HEAD[language], *(_row(each, language, zone) for each in found)]))
    return Exit.FINE


def show_set(
    ident: SetId, *, lang: Lang = None, config: Config = None, as_json: Json = False
) -> int:
    """Show one set: its copies, what it builds upon, and everything that happened to it."""
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s

    settings = site_config(config)
    language = (lang or Language(settings.site.language)).value
    with open_site(settings) as site:
        found = site.ledger.backups.set(ident)
        history = site.ledger.backups.history(ident)
    if found is None:
        raise _no_set(ident)
    if as_json:
        told = [{"at": each.at.isoformat(), "what": each.kind, **each.body} for each in history]
        show_json({**set_data(found), "history": told})
    else:
        zone = ZoneInfo(settings.site.timezone)
        typer.echo("\n".join(_page(found, history, language, zone)))
    return Exit.FINE


def hold(ident: SetId, *, reason: Reason, lang: Lang = None, config: Config = None) -> int:
    """Put a set under legal hold: nothing of it, and nothing it builds upon, is deleted."""
    return _held(ident, reason, lang, config, on=True)


def release(ident: SetId, *, reason: Reason, lang: Lang = None, config: Config = None) -> int:
    """Take a legal hold back; the set is deleted when its time has come."""
    return _held(ident, reason, lang, config, on=False)


def _held(ident: str, reason: str, lang: Language | None, config: Path | None, *, on: bool) -> int:
    from storewarden.wiring import backup_coverage as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    if not reason.strip():
        raise ConfigInvalid("must say why", where="--reason")
    settings = site_config(config)
    language = (lang or Language(settings.site.language)).value
    with open_site(settings) as site:
        changed = wired.change_hold(site, ident, reason.strip(), on=on)
    if changed is None:
        raise _no_set(ident)
    names = ("held", "released") if changed else ("held_already", "free")
    say(_word(names[0 if on else 1], language).format(id=ident))
    return Exit.FINE


def _no_set(ident: str) -> ConfigInvalid:
    return ConfigInvalid(
        "the catalog has no such set", where=ident[:200], hint="storewarden backup list"
    )


def set_data(found: BackupSet) -> dict[str, Any]:
    """A set as JSON data."""
    return {
        "id": found.id,
        "host": found.target.host,
        "policy": found.target.policy,
        "kind": found.kind.value,
        "taken": found.taken.isoformat(),
        "received": found.received.isoformat(),
        "bytes": found.size,
        "parent": found.parent,
        "hold": found.hold,
        "gone": found.expired.isoformat() if found.expired else None,
        "level": _level(found),
        "copies": [
            {
                "place": each.location,
                "level": each.level.value,
                "verified": each.verified.isoformat() if each.verified else None,
                "damaged": each.damaged,
                "doubt": each.doubt.why if each.doubt else "",
                "locked_until": each.immutable_until.isoformat() if each.immutable_until else None,
                "gone": each.deleted.isoformat() if each.deleted else None,
            }
            for each in found.copies
        ],
    }


def _level(found: BackupSet) -> int:
    return level_of(found).value


def _row(found: BackupSet, language: str, zone: ZoneInfo) -> tuple[str, ...]:
    marks = [_word("hold", language)] if found.hold else []
    marks += [_word("gone", language)] if found.expired else []
    places = [each.location for each in found.copies if each.usable]
    return (
        found.id,
        found.kind.value,
        _moment(found.received, zone),
        _size(found.size),
        str(_level(found)),
        ", ".join(places) or "-",
        ", ".join(marks),
    )


def _page(
    found: BackupSet, history: Sequence[JournalEntry], language: str, zone: ZoneInfo
) -> list[str]:
    rows = [_copy_row(each, language, zone) for each in found.copies]
    lines = [table([_HEAD[language], _row(found, language, zone)])]
    lines += [f"{_word('taken', language)} {_moment(found.taken, zone)}"]
    lines += [f"{_word('parent', language)} {printable(found.parent)}"] if found.parent else []
    lines += ["", table([_COPY_HEAD[language], *rows])] if rows else []
    told = [(_moment(each.at, zone), each.kind, _about(each)) for each in history]
    return [*lines, "", _word("history", language), table(told)] if told else lines


def _copy_row(copy: Copy, language: str, zone: ZoneInfo) -> tuple[str, ...]:
    return (
        copy.location,
        str(copy.level.value),
        _moment(copy.verified, zone),
        _moment(copy.immutable_until, zone),
        _against(copy, language),
    )


def _against(copy: Copy, language: str) -> str:
    if copy.damaged or copy.deleted:
        return copy.damaged or _word("gone", language)
    return _word("doubt", language).format(why=copy.doubt.why) if copy.doubt else ""


def _about(entry: JournalEntry) -> str:
    """What of an entry a person looks for."""
    names = ("location", "level", "damaged", "doubt", "by", "reason")
    return " ".join(f"{name}={entry.body[name]}" for name in names if entry.body.get(name))


def _moment(at: datetime | None, zone: ZoneInfo) -> str:
    return "-" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _size(size: int) -> str:
    found = float(size)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if found < _KIB or unit == "TB":
            return f"{found:.0f} {unit}" if unit == "B" else f"{found:.1f} {unit}"
        found /= _KIB
    raise AssertionError  # the loop always returns


def _word(name: str, language: str) -> str:
    return _WORDS[name][language == "zh"]
