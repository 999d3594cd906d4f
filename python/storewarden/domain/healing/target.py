# SPDX-License-Identifier: GPL-3.0-or-later
"""From an alert to its one host, or to a refusal.

The rule: a host is found by looking up one exact text. There is no pattern, no group and no guess;
an alert that names nobody, somebody unknown, or several, is nobody's. An empty set that meant "all"
has emptied data centres (reference: guard rails, "From incidents").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from storewarden.domain.estate.device import Device
from storewarden.domain.healing.record import Reason
from storewarden.domain.healing.template import LabelMissing, fill

_FORBIDDEN = re.compile(r"[,!@~*?&:;\[\]{}/\\\s]")
"""Letters that mean something to an inventory pattern, or that no inventory name has."""

_WORDS = frozenset({"all", "ungrouped", "localhost", "*"})
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Via(StrEnum):
    """What the text is, that the rule makes of the labels."""

    NAME = "name"  # the inventory name itself
    ADDRESS = "address"  # the host's address (ansible_host), with or without a port
    PLACE = "place"  # "<store>/<terminal>": a terminal of a store


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How a rule finds the host: ``template`` is filled with labels, ``via`` says what it is."""

    template: str
    via: Via = Via.NAME


class Directory(Protocol):
    """Where hosts are looked up; a World is one."""

    @property
    def devices(self) -> Mapping[str, Device]:
        """By inventory name."""
        ...

    @property
    def addresses(self) -> Mapping[str, Collection[str]]:
        """Inventory names by address."""
        ...

    @property
    def places(self) -> Mapping[tuple[str, str], Collection[str]]:
        """Inventory names by store and terminal."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """``host`` is the one host, or "" and then ``reason`` says why there is none."""

    host: str = ""
    reason: Reason | None = None


def aim(target: Target, labels: Mapping[str, str], known: Directory) -> Aim:
    """The host that an alert with these labels means."""
    try:
        text = fill(target.template, labels).strip()
    except LabelMissing as missing:
        en = f"the alert has no label {missing}, which names its host ({target.template})"
        return _none(en, f"告警缺少用于定位主机的标签 {missing}（{target.template}）")
    found = _looked_up(target.via, text, known)
    if isinstance(found, Aim):
        return found
    if len(found) > 1:
        some = ", ".join(sorted(found)[:3])
        return _none(
            f"{_short(text)} means {len(found)} hosts ({some}): one alert has one host",
            f"{_short(text)} 对应 {len(found)} 台主机（{some}）：一条告警只能对应一台",
        )
    name = next(iter(found), "")
    if name not in known.devices:
        en = f"{_short(text)} is no host of the inventory ({target.via.value})"
        return _none(en, f"清单中没有主机 {_short(text)}（{target.via.value}）")
    return Aim(host=name) if _plain(name) else _pattern(name)


def host_part(text: str) -> str:
    """The host of ``10.1.2.3:9100``, ``[fe80::1]:9100``, ``https://pos-1:8443/x``; a text without
    a port stays as it is."""
    rest = _SCHEME.sub("", text, count=1)
    rest = rest.partition("/")[0]
    if rest.startswith("["):
        return rest[1:].partition("]")[0]
    head, colon, port = rest.rpartition(":")
    return head if colon and port.isdigit() and ":" not in head else rest


def _looked_up(via: Via, text: str, known: Directory) -> Collection[str] | Aim:
    if via is Via.ADDRESS:
        return frozenset(known.addresses.get(host_part(text), ()))
    if via is Via.PLACE:
        store, slash, terminal = text.partition("/")
        return frozenset(known.places.get((store, terminal), ())) if slash else frozenset()
    return (text,) if _plain(text) else _pattern(text)


def _plain(name: str) -> bool:
    return bool(name) and name.lower() not in _WORDS and not _FORBIDDEN.search(name)


def _pattern(text: str) -> Aim:
    return _none(
        f"{_short(text)} is no plain host name: patterns and groups are never targets",
        f"{_short(text)} 不是普通主机名：模式和组不能作为目标",
    )


def _none(en: str, zh: str) -> Aim:
    return Aim(reason=Reason(guard="target", en=en, zh=zh))


def _short(text: str) -> str:
    shown = ascii(text) if not text.isprintable() else repr(text)
    return shown if len(shown) <= 60 else shown[:57] + "..."
