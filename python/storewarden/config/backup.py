# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``backup`` section: where the policies are, where copies lie, and what lines carry.

The keys of locations are told in docs/reference/backup-locations.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

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


def _port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise ValueError("must be 1-65535")
    return value


def _days(value: int) -> int:
    if not 0 <= value <= 36_525:
        raise ValueError("must be 0-36525 days")
    return value


def _placeholders(value: str) -> str:
    for name in _PLACEHOLDER.findall(value):
        if name not in ("host", "policy"):
            raise ValueError(f"knows {{host}} and {{policy}}, not {{{name}}}")
    return value


HostSecret = Annotated[SecretRef, AfterValidator(_placeholders)]
Mbit = Annotated[float, AfterValidator(_positive)]


type Kind = Literal["host", "path", "sftp", "s3"]

_MUST: Mapping[str, tuple[str, ...]] = {
    "host": (),
    "path": ("folder",),
    "sftp": ("address", "user", "key", "known_hosts"),
    "s3": ("endpoint", "bucket", "key_id", "secret_key"),
}
_MAY: Mapping[str, tuple[str, ...]] = {
    "host": (),
    "path": ("mounted",),
    "sftp": ("port", "folder", "delete_user", "delete_key"),
    "s3": (
        *("prefix", "region", "path_style", "ca"),
        *("delete_key_id", "delete_secret_key", "lock_days"),
    ),
}
_TOGETHER = (("delete_user", "delete_key"), ("delete_key_id", "delete_secret_key"))
_WORDS = (
    *("folder", "mounted", "address", "port", "user", "delete_user"),
    *("endpoint", "bucket", "prefix", "region", "path_style", "lock_days"),
)
_REFERENCES = ("key", "key_id", "secret_key")
_DELETING = ("delete_key", "delete_key_id", "delete_secret_key")
_FILES = ("known_hosts", "ca")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class LocationConfig(_Section):
    """One place for copies. ``credentials`` names who may delete there; ``point`` is latitude and
    longitude in degrees, [] when it is at the store itself or not known; ``verifier`` is the host
    of the inventory that verifies, drills and prunes there, None for the target's own. The rest are
    the kind's own words. Secrets are references that may contain ``{host}`` and ``{policy}``."""

    kind: Kind = "host"
    medium: str
    credentials: str
    point: Annotated[tuple[float, ...], BeforeValidator(_tuple), AfterValidator(_point)] = ()
    verifier: str | None = None
    folder: str | None = None
    mounted: bool | None = None
    address: str | None = None
    port: Annotated[int, AfterValidator(_port)] | None = None
    user: str | None = None
    key: HostSecret | None = None
    known_hosts: SitePath | None = None
    delete_user: str | None = None
    delete_key: HostSecret | None = None
    endpoint: str | None = None
    bucket: str | None = None
    prefix: str | None = None
    region: str | None = None
    path_style: bool | None = None
    ca: SitePath | None = None
    key_id: HostSecret | None = None
    secret_key: HostSecret | None = None
    delete_key_id: HostSecret | None = None
    delete_secret_key: HostSecret | None = None
    lock_days: Annotated[int, AfterValidator(_days)] | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> LocationConfig:
        given = {name for name in _OWN if getattr(self, name) is not None}
        may = {*_MUST[self.kind], *_MAY[self.kind]}
        for name in sorted(given - may):
            raise ValueError(f"{name} is not for a place of kind {self.kind}")
        for name in _MUST[self.kind]:
            if not getattr(self, name):
                raise ValueError(f"lacks {name}, which a place of kind {self.kind} must have")
        for one, other in _TOGETHER:
            if (one in given) != (other in given):
                raise ValueError(f"{one} and {other} go together")
        return self._well_formed()

    def _well_formed(self) -> LocationConfig:
        if self.kind == "path" and not str(self.folder).startswith("/"):
            raise ValueError("folder must be an absolute path of the host")
        if self.endpoint is not None and not self.endpoint.startswith("https://"):
            raise ValueError("endpoint must be like https://s3.example.com:9000")
        if self.bucket is not None and not _BUCKET.fullmatch(self.bucket):
            raise ValueError("bucket must be 3-63 small letters, digits, - and .")
        if self.verifier is not None and self.kind in ("host", "path"):
            raise ValueError(f"verifier: nobody else can reach a place of kind {self.kind}")
        return self

    @property
    def words(self) -> dict[str, object]:
        """What an order says of it: the kind's words without files and secrets."""
        found = {name: getattr(self, name) for name in _WORDS}
        return {name: each for name, each in found.items() if each is not None}

    def secrets(self, *, deleting: bool = False) -> dict[str, str]:
        """Setting -> reference of what a job there needs; with ``deleting`` also what deletes."""
        names = (*_REFERENCES, *_DELETING) if deleting else _REFERENCES
        found = {name: getattr(self, name) for name in names}
        return {name: each for name, each in found.items() if each is not None}

    @property
    def files(self) -> dict[str, Path]:
        """Setting -> file whose text a job there needs."""
        found = {name: getattr(self, name) for name in _FILES}
        return {name: each for name, each in found.items() if each is not None}


_OWN = (*_WORDS, *_REFERENCES, *_DELETING, *_FILES)


class SecretsConfig(_Section):
    """Secrets of backups, by reference. ``repository`` is the password that encrypts a host's sets;
    with ``{host}`` in it each host has its own. ``passwords``: policy -> that of its database's
    account, for policies whose source needs one."""

    repository: HostSecret | None = None
    passwords: dict[str, HostSecret] = {}


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
    secrets: SecretsConfig = SecretsConfig()

    @model_validator(mode="after")
    def _one_hub_each(self) -> BackupConfig:
        seen: dict[str, str] = {}
        for name, hub in self.hubs.items():
            for region in hub.regions:
                if region in seen:
                    raise ValueError(f"hubs: {region} belongs to {seen[region]} and to {name}")
                seen[region] = name
        return self
