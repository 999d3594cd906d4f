# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden doctor`: one line per check, and what to do about each problem."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storewarden.cli.doctor_words import CHINESE, END, ENGLISH, MARKS, SUBJECTS
from storewarden.cli.exits import Exit
from storewarden.cli.options import Config
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.doctor import Check
from storewarden.ports.reports import Language

if TYPE_CHECKING:
    from storewarden.config import SiteConfig


def doctor(
    config: Config = None,
    lang: Annotated[
        Language | None, typer.Option("--lang", help="Language; the site's by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Look at this machine for what would spoil a run. Reads only; 1 when there is a problem."""
    from storewarden.wiring.doctor import examine_machine  # noqa: PLC0415 - only this command

    settings, first = _settings(config)
    language = lang.value if lang else settings.site.language
    checks = (first, *examine_machine(settings, os.environ, Path.cwd()))
    typer.echo(_json(checks, language) if as_json else "\n".join(_lines(checks, language)))
    if not all(check.ok for check in checks):
        raise typer.Exit(Exit.BELOW)


def _settings(path: Path | None) -> tuple[SiteConfig, Check]:
    """The site's settings; the defaults when they are broken, because the rest still counts."""
    from storewarden.config import default_config, load_config  # noqa: PLC0415 - costs 0.3 s

    try:
        settings = load_config(path, os.environ, Path.cwd())
    except ConfigInvalid as error:
        broken = Check(subject="config", ok=False, code="config_broken", values={"error": error})
        return default_config(os.environ, Path.cwd()), broken
    code = "config_read" if settings.source else "config_none"
    return settings, Check(subject="config", ok=True, code=code, values={"path": settings.source})


def said(check: Check, language: str) -> tuple[str, str]:
    """What is so, and what to do (empty when nothing), in one line each."""
    words = (CHINESE if language == "zh" else ENGLISH)[check.code]
    what, advice = (" ".join(text.format(**check.values).split()) for text in words)
    return what, advice


def _lines(checks: Sequence[Check], language: str) -> list[str]:
    fine, bad = MARKS[language]
    lines = []
    for check in checks:
        subject = SUBJECTS[check.subject][language == "zh"]
        what, advice = said(check, language)
        mark = fine if check.ok else bad
        lines.append(f"{mark:<7} {subject}: {what}" + (f" -> {advice}" if advice else ""))
    count = sum(not check.ok for check in checks)
    lines.append(END[language][count > 0].format(count=count, all=len(checks)))
    return lines


def _json(checks: Sequence[Check], language: str) -> str:
    listed = []
    for check in checks:
        what, advice = said(check, language)
        entry = {"check": check.subject, "ok": check.ok, "code": check.code, "what": what}
        listed.append(entry | {"todo": advice})
    whole = {"ok": all(check.ok for check in checks), "checks": listed}
    return json.dumps(whole, ensure_ascii=False, indent=2)
