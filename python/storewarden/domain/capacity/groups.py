# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices must not be away together, and how many of them may be.

A group is a text with its kind before the colon: ``host:x``, ``store:000101``, ``pos:000101`` (the
tills of a store), ``group:ha-7`` (a failure group of the inventory), ``region:east``, ``site``.
Work counts in ``host``, ``store`` and ``site``: how much is going on at once. Being away counts in
``pos``, ``group`` and ``region``: how much a store, a pair, a region has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from storewarden.domain.capacity.budgets import Budgets
from storewarden.domain.estate.device import Device

POS_ROLES = frozenset({"pos"})
"""Roles of tills where nobody says otherwise (``windows.pos_roles`` of the site's settings)."""


class GroupKind(StrEnum):
    """What a group is; the value is what stands before the colon."""

    HOST = "host"  # the host itself: one piece of work at a time
    STORE = "store"  # all devices of a store: so many pieces of work
    POS = "pos"  # its tills: so many lanes closed
    GROUP = "group"  # a failure group: an HA pair, two uplinks
    REGION = "region"  # all devices of a region
    SITE = "site"  # everything


WORK = frozenset({GroupKind.HOST, GroupKind.STORE, GroupKind.SITE})
"""Kinds in which only work counts; a till that is merely switched off takes nothing from them."""

REDUNDANT = frozenset({GroupKind.POS, GroupKind.GROUP})
"""Kinds that are there so that one member can do without another."""


def kind_of(group: str) -> GroupKind:
    """The kind of a group. ValueError for a text that is none."""
    return GroupKind(group.partition(":")[0])


def groups_of(
    device: Device, _budgets: Budgets | None = None, pos_roles: frozenset[str] = POS_ROLES
) -> tuple[str, ...]:
    """The failure groups of a device, from the smallest to ``site``.

    Budgets decide nothing here; they are taken so that callers need not know that.
    """
    found = [f"host:{device.name}"]
    if device.store:
        found.append(f"store:{device.store}")
        if device.role in pos_roles:
            found.append(f"pos:{device.store}")
    found += [f"group:{name}" for name in device.failure_groups or ()]
    if device.region:
        found.append(f"region:{device.region}")
    return (*found, GroupKind.SITE.value)


def members_of(groups: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Group -> hosts, from host -> groups; hosts keep their order."""
    found: dict[str, list[str]] = {}
    for host, names in groups.items():
        for name in names:
            members = found.get(name)
            if members is None:
                found[name] = [host]
            else:
                members.append(host)
    return {name: tuple(hosts) for name, hosts in found.items()}


def cap(group: str, size: int, budgets: Budgets) -> int:
    """How many of a group's ``size`` members may be unavailable at once, at least one.

    A group with several members keeps one of them whatever the budget says; of a group with one
    member the answer is one, and whether that may be is a matter of consent (``admit``).
    """
    kind = kind_of(group)
    if kind is GroupKind.HOST:
        return 1
    if kind is GroupKind.STORE:
        return max(budgets.store, 1)
    if kind is GroupKind.SITE:
        return max(budgets.site, 1)
    if kind is GroupKind.REGION:
        return max(int(budgets.region * size), 1)
    wanted = int(budgets.pos_share * size) if kind is GroupKind.POS else budgets.group
    return max(min(wanted, size - 1), 1)


def needs_consent(group: str, size: int) -> bool:
    """Whether nothing is left of the group once its only member is worked on."""
    return size <= 1 and kind_of(group) in REDUNDANT
