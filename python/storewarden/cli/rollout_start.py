# SPDX-License-Identifier: GPL-3.0-or-later
"""``storewarden rollout start``: open a rollout on a change."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from storewarden.cli.change_call import TokenFile, change_number, refusals_in
from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, Lang, say, site_config
from storewarden.cli.rollout import Emergency, File, SoakOption, soak_length
from storewarden.ports.reports import Language
from storewarden.wiring import open_site

if TYPE_CHECKING:
    from storewarden.flows.rollout_start import Begun

_WORDS = {
    "opened": (
        "{number}: {hosts} hosts in {waves} waves, on {change}",
        "{number}：{hosts} 台主机，{waves} 波，变更 {change}",
    ),
    "again": ("{number} has been opened before", "{number} 已经建立"),
    "waits": ("it waits: {why}", "等待：{why}"),
    "begins": (
        "it begins when its windows are open: storewarden rollout watch {number}",
        "窗口开放后自动开始：storewarden rollout watch {number}",
    ),
}


def start(
    file: File,
    change: Annotated[
        str,
        typer.Option(
            "--change",
            metavar="NUMBER",
            help="On this change and its hosts.",
            callback=change_number,
        ),
    ],
    *,
    emergency: Emergency = False,
    soak: SoakOption = "",
    supersede: Annotated[
        bool, typer.Option("--supersede", help="Take the hosts over from an older rollout.")
    ] = False,
    lang: Lang = None,
    config: Config = None,
    token_file: TokenFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> int:
    """Open a rollout; the controller begins it when its change is approved, in its windows."""
    from storewarden.wiring.harden import service_desk  # noqa: PLC0415 - few need it
    from storewarden.wiring.rollout import Rollouts  # noqa: PLC0415

    settings = site_config(config)
    with open_site(settings) as site, refusals_in(settings):
        rollouts = Rollouts(site)
        rollouts.require_controller()
        wanted, watched = rollouts.read(file), soak_length(soak)
        with service_desk(site, os.environ, token_file) as desk:
            begun = rollouts.start(
                wanted, change, desk, supersede=supersede, emergency=emergency, soak=watched
            )
    _show(begun, (lang or Language(settings.site.language)).value, as_json=as_json)
    return Exit.FINE


def _show(begun: Begun, language: str, *, as_json: bool) -> None:
    rollout = begun.rollout
    if as_json:
        told = {
            "rollout": rollout.number,
            "change": rollout.change,
            "state": rollout.state.value,
            "new": begun.new,
            "waits": begun.waits,
            "hosts": len(rollout.hosts),
            "waves": [len(wave.stores) for wave in rollout.waves],
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    typer.echo(
        _said("opened", language).format(
            number=rollout.number,
            hosts=len(rollout.hosts),
            waves=len(rollout.waves),
            change=rollout.change,
        )
    )
    if not begun.new:
        say(_said("again", language).format(number=rollout.number))
    word = "waits" if begun.waits else "begins"
    say(_said(word, language).format(why=begun.waits, number=rollout.number))


def _said(name: str, language: str) -> str:
    return _WORDS[name][language == "zh"]
