# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden backup expire`: old sets go when two people want it.

Looking needs no identity. Who proposes, approves or refuses goes through the running service with
their own token: under sudo two administrators are both root.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from storewarden.cli.change_call import Call, Json, new_key, refusals_in, show_json
from storewarden.cli.exits import Exit
from storewarden.cli.gathered import gathered
from storewarden.cli.group import Group
from storewarden.cli.options import Config, Lang, say, site_config
from storewarden.cli.tabular import table
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from collections.abc import Mapping

expire = typer.Typer(cls=Group, help="Remove old sets, with a second person's yes.")

_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_WORDS = {
    "head": (
        ("NUMBER", "STATE", "SETS", "PROPOSED BY", "AT", "DECIDED BY", "WHY"),
        ("编号", "状态", "备份集数", "提议人", "时间", "审批人", "原因"),
    ),
    "gone": ("removed", "已删除"),
    "left": ("left", "保留"),
    "stays": ("stays", "保留"),
}
_TEXTS = {
    "nothing": ("nothing is old enough to go", "没有可删除的备份集"),
    "none": ("no requests", "没有删除申请"),
    "next": (
        "another person: storewarden backup expire approve {0}",
        "由他人执行：storewarden backup expire approve {0}",
    ),
    "approved": (
        "to remove them: storewarden backup expire delete {0}",
        "执行删除：storewarden backup expire delete {0}",
    ),
}


def deletion_number(text: str) -> str:
    """The number as given: what is none is refused here, since it becomes a part of a path."""
    if not _NUMBER.fullmatch(text):
        raise ConfigInvalid(
            f"{text[:40]!r} is no number of a request",
            where="NUMBER",
            hint="like DEL-20260601-083000; storewarden backup expire list",
        )
    return text


Number = Annotated[
    str,
    typer.Argument(metavar="NUMBER", help="Like DEL-20260601-083000.", callback=deletion_number),
]


@expire.callback()
def _group() -> None:
    """Remove old sets, with a second person's yes."""


@expire.command()
@gathered
def propose(*, call: Call) -> int:
    """Make the list of what may go now, and ask for a second person's yes."""
    return _order(call, "/backups/deletions", {})


@expire.command()
@gathered
def approve(number: Number, *, call: Call) -> int:
    """Say yes to this very list. Never of whoever proposed it."""
    return _order(call, f"/backups/deletions/{quote(number, safe='')}/approve", {})


@expire.command()
@gathered
def refuse(
    number: Number,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")],
    *,
    call: Call,
) -> int:
    """Say no, and why."""
    path = f"/backups/deletions/{quote(number, safe='')}/refuse"
    return _order(call, path, {"reason": reason})


@expire.command("list")
def list_(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    lang: Lang = None,
    config: Config = None,
    as_json: Json = False,
) -> int:
    """Show requests to delete, newest first."""
    from storewarden.flows.backup_expiry import deletion_data  # noqa: PLC0415
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s

    settings = site_config(config)
    chinese = (lang or Language(settings.site.language)) is Language.ZH
    with open_site(settings) as site:
        site.require_ledger()
        found = site.ledger.backups.deletions(open_only=not everything, limit=1000)
    rows = [deletion_data(each) for each in found]
    if as_json:
        show_json({"deletions": rows})
    elif rows:
        typer.echo(table([_WORDS["head"][chinese], *(_row(each, chinese) for each in rows)]))
    else:
        say(_TEXTS["none"][chinese])
    return Exit.FINE


@expire.command()
def show(number: Number, *, lang: Lang = None, config: Config = None, as_json: Json = False) -> int:
    """Show one request: its sets, who said what, what went and what was left."""
    from storewarden.flows.backup_expiry import deletion_data, named  # noqa: PLC0415
    from storewarden.wiring import open_site  # noqa: PLC0415 - costs 0.2 s

    settings = site_config(config)
    with open_site(settings) as site:
        site.require_ledger()
        found = deletion_data(named(site.ledger.backups, number))
    if as_json:
        show_json(found)
    else:
        _whole(found, chinese=(lang or Language(settings.site.language)) is Language.ZH)
    return Exit.FINE


@expire.command()
def delete(
    number: Number, *, lang: Lang = None, config: Config = None, as_json: Json = False
) -> int:
    """Remove what another person approved, place by place; the list is made again first.

    The exit code is 3 when it is not approved or not the same list any more, and 4 when something
    had to be left.
    """
    from storewarden.flows.backup_expiry import deletion_data  # noqa: PLC0415
    from storewarden.wiring import backup_proven as wired  # noqa: PLC0415 - costs 0.2 s
    from storewarden.wiring import open_site  # noqa: PLC0415

    settings = site_config(config)
    chinese = (lang or Language(settings.site.language)) is Language.ZH

    def told(copy: str, why: str) -> None:
        word = _WORDS["left" if why else "gone"][chinese]
        say(f"{copy}: {word}{f': {why}' if why else ''}")

    with open_site(settings) as site:
        site.require_ledger()
        found = deletion_data(wired.delete(site, number, told))
    if as_json:
        show_json(found)
    else:
        _whole(found, chinese=chinese)
    return Exit.INCOMPLETE if found["left"] else Exit.FINE


def _order(call: Call, path: str, body: Mapping[str, object]) -> int:
    from storewarden.wiring.service import service  # noqa: PLC0415 - httpx costs 0.2 s

    settings = site_config(call.config)
    chinese = settings.site.language == "zh"
    with service(settings, os.environ, call.token_file) as client, refusals_in(settings):
        found: dict[str, Any] = client.write(path, body, call.key or new_key())
    if call.as_json:
        show_json(found)
        return Exit.FINE
    if not found["number"]:
        say(_TEXTS["nothing"][chinese])
    else:
        _whole(found, chinese=chinese)
    for name, why in found.get("kept", {}).items():
        say(f"{name}: {_WORDS['stays'][chinese]}: {why}")
    word = {"proposed": "next", "approved": "approved"}.get(found["state"])
    if word:
        say(_TEXTS[word][chinese].format(found["number"]))
    return Exit.FINE


def _row(found: Mapping[str, Any], chinese: bool) -> tuple[str, ...]:
    return (
        found["number"],
        found["state_zh"] if chinese else found["state"],
        str(len(found["sets"])),
        found["proposed_by"],
        found["proposed_at"],
        found["decided_by"],
        found["reason"],
    )


def _whole(found: Mapping[str, Any], *, chinese: bool) -> None:
    typer.echo(table([_WORDS["head"][chinese], _row(found, chinese)]))
    for each in found["sets"]:
        typer.echo(f"  {each}")
    for each in found["gone"]:
        typer.echo(f"  {each}: {_WORDS['gone'][chinese]}")
    for each, why in found["left"].items():
        typer.echo(f"  {each}: {_WORDS['left'][chinese]}: {why}")
