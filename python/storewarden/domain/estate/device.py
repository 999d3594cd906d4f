# SPDX-License-Identifier: GPL-3.0-or-later
"""From host variables to devices, without ever failing on one bad host.

Any Ansible inventory can be an estate; what makes it one are eight variables per host. One
that is missing or malformed becomes a finding with a name, and the device stays in the list
with that field empty: an audit can still look at it, and a rollout can still refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from storewarden.domain.estate.hours import HoursMalformed, OpeningHours, parse_hours


class Tier(Enum):
    """How much a device matters."""

    CORE = "core"  # the store or the chain stands still without it
    ORDINARY = "ordinary"  # one of several; trade goes on


class Flaw(Enum):
    """What is wrong with a variable."""

    MISSING = "missing"  # not set for this host, neither by its groups
    MALFORMED = "malformed"  # set, but not to something with a meaning
    DUPLICATE = "duplicate"  # a configuration item that another host has as well


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateFinding:
    """One variable of one host that needs somebody's attention; `advice` says what to do.

    `value` is what is there, cut to a few words; `other` is the host that has it already.
    """

    host: str
    variable: str
    flaw: Flaw
    advice: str
    value: str = ""
    other: str = ""

    def __str__(self) -> str:
        return f"{self.host}: {self.variable} {self.flaw.value}: {self.advice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One machine of the estate; an empty text or None means "not known", see the findings.

    `name` is the inventory name, `tz` an IANA zone name.
    """

    name: str
    store: str = ""
    region: str = ""
    role: str = ""
    ci: str = ""
    tier: Tier | None = None
    failure_groups: tuple[str, ...] | None = None
    tz: str = ""
    hours: OpeningHours | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """Every host of the inventory as a device, and all findings, both in host order."""

    devices: tuple[Device, ...]
    findings: tuple[EstateFinding, ...]

    @property
    def incomplete(self) -> frozenset[str]:
        """Names of hosts with at least one finding."""
        return frozenset(finding.host for finding in self.findings)


_ADVICE = {
    "sw_store": 'set the store id as text, like sw_store: "000101"',
    "sw_region": "set the region's name",
    "sw_role": "set what the device is, like pos or server",
    "sw_ci": "set the id of the configuration item in the CMDB",
    "sw_tier": "set core or ordinary",
    "sw_failure_groups": "set the list of failure groups, [] when it shares none",
    "sw_tz": "set the time zone's name, like Asia/Shanghai",
    "sw_hours": 'set the opening hours, like "10:00-22:00" or "closed"',
}
VARIABLES = tuple(_ADVICE)
"""The variables that make a host a device, in the order of the documentation."""


class _Bad(Exception):
    """Internal to one host: a value without a meaning; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads the variables of one host and notes what is wrong with them."""

    host: str
    variables: Mapping[str, object]
    findings: list[EstateFinding]

    def read[T](self, variable: str, convert: Callable[[object], T]) -> T | None:
        value = _plain(self.variables.get(variable))
        if value is None or value == "":
            self._note(variable, Flaw.MISSING, _ADVICE[variable])
            return None
        try:
            return convert(value)
        except _Bad as bad:
            self._note(variable, Flaw.MALFORMED, f"{bad}; {_ADVICE[variable]}", _short(value))
            return None

    def _note(self, variable: str, flaw: Flaw, advice: str, value: str = "") -> None:
        self.findings.append(
            EstateFinding(host=self.host, variable=variable, flaw=flaw, advice=advice, value=value)
        )


def read_estate(
    hosts: Mapping[str, Mapping[str, object]], zone_known: Callable[[str], bool]
) -> Estate:
    """Devices and findings of all `hosts` (name -> variables, as ansible-inventory gives them).

    `zone_known` tells whether a time zone of that name exists. Never raises for what a
    variable holds.
    """
    findings: list[EstateFinding] = []
    devices: list[Device] = []
    owners: dict[str, str] = {}
    for name, variables in hosts.items():
        reader = _Reader(host=name, variables=variables, findings=findings)
        device = _device(reader, zone_known)
        owner = owners.setdefault(device.ci, name) if device.ci else name
        if owner != name:
            advice = f"{device.ci} belongs to {owner} already; {_ADVICE['sw_ci']}"
            findings.append(
                EstateFinding(
                    host=name,
                    variable="sw_ci",
                    flaw=Flaw.DUPLICATE,
                    advice=advice,
                    value=device.ci,
                    other=owner,
                )
            )
        devices.append(device)
    return Estate(devices=tuple(devices), findings=tuple(findings))


def _device(reader: _Reader, zone_known: Callable[[str], bool]) -> Device:
    return Device(
        name=reader.host,
        store=reader.read("sw_store", _text) or "",
        region=reader.read("sw_region", _text) or "",
        role=reader.read("sw_role", _text) or "",
        ci=reader.read("sw_ci", _text) or "",
        tier=reader.read("sw_tier", _tier),
        failure_groups=reader.read("sw_failure_groups", _names),
        tz=reader.read("sw_tz", lambda value: _zone(value, zone_known)) or "",
        hours=reader.read("sw_hours", _hours),
    )


def _plain(value: object) -> object:
    """The text inside `{"__ansible_unsafe": text}`, as ansible-inventory marks data."""
    if isinstance(value, Mapping) and set(value) == {"__ansible_unsafe"}:
        return value["__ansible_unsafe"]
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Bad(f"{_short(value)} is not text (quote it in YAML, or its zeros are lost)")
    plain = value.isprintable() or not any(ord(letter) < ord(" ") for letter in value)
    if not value.strip() or "{{" in value or not plain:
        raise _Bad(f"{_short(value)} is not a plain word")
    return value.strip()


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def _tier(value: object) -> Tier:
    try:
        return Tier(_text(value).lower())
    except ValueError:
        raise _Bad(f"{_short(value)} is not a tier") from None


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple):
        raise _Bad(f"{_short(value)} is not a list")
    return tuple(sorted({_text(_plain(entry)) for entry in value}))


def _zone(value: object, known: Callable[[str], bool]) -> str:
    name = _text(value)
    if not known(name):
        raise _Bad(f"{_short(value)} is not a known time zone")
    return name


def _hours(value: object) -> OpeningHours:
    try:
        return parse_hours(_text(value))
    except HoursMalformed as error:
        raise _Bad(str(error)) from None
