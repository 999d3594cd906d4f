# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``backup`` section: where the policies are, where copies lie, and what lines carry."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from storewarden.config.fields import SecretRef, SitePath

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_POINT = 2
_LATITUDE, _LONGITUDE = 90.0, 180.0
_KIB_PER_MBIT = 1_000_000 / 8 / 1024


class _Section(BaseModel):
    """Frozen and strict: "60" is not 60, and nothing unknown passes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _names(value: object) -> object:
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no name here: small letters, digits, - and _, "
                    "beginning with a letter"
                )
    return value


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _point(value: tuple[float, ...]) -> tuple[float, ...]:
    if value and len(value) != _POINT:
        raise ValueError("must be latitude and longitude, as [31.23, 121.47]")
    if value and (abs(value[0]) > _LATITUDE or abs(value[1]) > _LONGITUDE):
        raise ValueError("must be degrees: latitude -90 to 90, longitude -180 to 180")
    return value


def _positive(value: float) -> float:
    if not 0 < value <= 1_000_000:
        raise ValueError("must be more than 0 Mbit/s")
    return value


def _count(value: int) -> int:
    if not 1 <= value <= 100_000:
        raise ValueError("must be 1-100000")
    return value


def _sessions(value: int) -> int:
    if not 1 <= value <= 200:
        raise ValueError("must be 1-200")
    return value


def _seconds(value: int) -> int:
    if not 5 <= value <= 600:
        raise ValueError("must be 5-600")
    return value


Mbit = Annotated[float, AfterValidator(_positive)]


class LocationConfig(_Section):
    """One place for copies. ``credentials`` names who may delete there; ``point`` is latitude and
    longitude in degrees, [] when it is at the store itself or not known."""

    medium: str
    credentials: str
    point: Annotated[tuple[float, ...], BeforeValidator(_tuple), AfterValidator(_point)] = ()


class HubConfig(_Section):
    """Where the lines of some regions come together: ``at_once`` sets, ``mbit`` of all of them."""

    regions: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = ()
    at_once: Annotated[int, AfterValidator(_count)] = 100
    mbit: Mbit | None = None

    @property
    def kib(self) -> int:
        """KiB/s, 0 for no limit."""
        return max(1, int(self.mbit * _KIB_PER_MBIT)) if self.mbit else 0


class LinesConfig(_Section):
    """What a store's line gives to backups where the policy says nothing."""

    mbit: Mbit | None = None

    @property
    def kib(self) -> int:
        """KiB/s, 0 for no limit."""
        return max(1, int(self.mbit * _KIB_PER_MBIT)) if self.mbit else 0


class DevicesConfig(_Section):
    """Network devices whose configurations are read: who we are to them, and where those are kept.

    ``user`` None: the inventory says it (``ansible_user``). ``enable`` is the secret of the
    privileged mode. ``folder`` None: ``configurations`` in ``state_dir``.
    """

    folder: SitePath | None = None
    user: str | None = None
    password: SecretRef | None = None
    enable: SecretRef | None = None
    at_once: Annotated[int, AfterValidator(_sessions)] = 12  # reference: measured, 12 threads
    timeout_seconds: Annotated[int, AfterValidator(_seconds)] = 60


class BackupConfig(_Section):
    """Policies are in a file of their own, or a folder of files."""

    policies: SitePath | None = None
    locations: Annotated[dict[str, LocationConfig], BeforeValidator(_names)] = {}
    hubs: Annotated[dict[str, HubConfig], BeforeValidator(_names)] = {}
    lines: LinesConfig = LinesConfig()
    devices: DevicesConfig = DevicesConfig()

    @model_validator(mode="after")
    def _one_hub_each(self) -> BackupConfig:
        seen: dict[str, str] = {}
        for name, hub in self.hubs.items():
            for region in hub.regions:
                if region in seen:
                    raise ValueError(f"hubs: {region} belongs to {seen[region]} and to {name}")
                seen[region] = name
        return self
