# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of values in `storewarden.yml`, each with a refusal that says what would be right.

Paths are relative to the file they stand in. A secret is never a value here: those keys take
the path of a file, written so that it cannot be mistaken for anything else.
"""

from __future__ import annotations

import os
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

_PLAIN_PATH = ("/", "./", "../", "~/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Where relative paths and `~` lead; handed to every model as validation context."""

    folder: Path
    home: str


def _path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip() or "\n" in value or "://" in value:
        raise ValueError("must be the path of a file or folder")
    base = info.context
    if not isinstance(base, Base):
        raise TypeError("settings are read by load_config, which knows where paths begin")
    text = base.home + value[1:] if value == "~" or value.startswith("~/") else value
    return Path(os.path.normpath(base.folder / text))


def _secret_path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and not value.startswith(_PLAIN_PATH):
        raise ValueError(
            "must be the path of a file, beginning with /, ./, ../ or ~/; "
            "a password itself never belongs in this file"
        )
    return _path(value, info)


def _ledger_place(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and "://" in value:
        return _server(value.strip())
    return _path(value, info)


def _server(value: str) -> str:
    try:
        parts = urlsplit(value)
        fits = parts.scheme == "postgresql" and len(parts.path) > 1 and parts.port != 0
        keys = [key.lower() for key, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError:  # brackets that do not close, a port that is no number
        fits, keys = False, []
    if not fits or any(c.isspace() for c in value):
        raise ValueError("must be the path of a file, or postgresql://USER@HOST/DATABASE")
    if parts.password is not None or any("password" in key for key in keys):
        raise ValueError(
            "must hold no password; secrets.ledger_password takes a reference to it, "
            "or use PGPASSFILE"
        )
    return value


def _reference(value: str) -> str:
    if not re.fullmatch(r"(file|env|vault):\S.*", value):
        raise ValueError(
            "must be a reference: file:PATH, env:NAME or vault:MOUNT/PATH#FIELD; "
            "a password itself never belongs in this file"
        )
    return value


def _tuple(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("must be a list, one entry per line after '- '")
    return tuple(value) if isinstance(value, list) else value


def _variable_name(value: str) -> str:
    if not value.isidentifier() or not value.isascii():
        raise ValueError("must be the name of an environment variable, like CMDB_TOKEN")
    return value


def _zone(value: str) -> str:
    if value not in zoneinfo.available_timezones():
        raise ValueError("must be the name of a time zone, like Asia/Shanghai")
    return value


def _between(low: int, high: int) -> Callable[[float], float]:
    def check(value: float) -> float:
        if not low <= value <= high:
            raise ValueError(f"must be {low}-{high}")
        return value

    return check


SitePath = Annotated[Path, BeforeValidator(_path)]
SecretPath = Annotated[Path, BeforeValidator(_secret_path)]
SecretRef = Annotated[str, AfterValidator(_reference)]
LedgerPlace = Annotated[Path | str, BeforeValidator(_ledger_place)]  # text: a server's address
SitePaths = Annotated[tuple[SitePath, ...], BeforeValidator(_tuple)]
VariableName = Annotated[str, AfterValidator(_variable_name)]
VariableNames = Annotated[tuple[VariableName, ...], BeforeValidator(_tuple)]
ZoneName = Annotated[str, AfterValidator(_zone)]
Percent = Annotated[float, AfterValidator(_between(0, 100))]
ShardSize = Annotated[int, AfterValidator(_between(1, 50))]  # a run has at most 50 hosts
AtOnce = Annotated[int, AfterValidator(_between(1, 10))]  # guard rail: 10 runs at once
Forks = Annotated[int, AfterValidator(_between(1, 200))]
Minutes = Annotated[int, AfterValidator(_between(1, 24 * 60))]
