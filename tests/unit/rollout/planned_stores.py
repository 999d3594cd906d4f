# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores, devices and rollouts, as short as a test wants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from storewarden.domain.estate.device import Device, Tier
from storewarden.domain.estate.hours import parse_hours
from storewarden.domain.rollout.spec import (
    PayloadClass,
    RolloutSpec,
    SizeKind,
    Soak,
    Timing,
    WaveSize,
)

HOURS = parse_hours("10:00-22:00")


def device(name: str, store: str, role: str = "server", **more: object) -> Device:
    """A device of which everything is known."""
    return Device(
        **{
            "name": name,
            "store": store,
            "region": "east",
            "role": role,
            "ci": f"CI-{name}",
            "tier": Tier.ORDINARY,
            "failure_groups": (),
            "tz": "Asia/Shanghai",
            "hours": HOURS,
            **more,
        }  # type: ignore[arg-type]
    )


def chain(stores: int, roles: Iterable[str] = ("server",), **more: object) -> list[Device]:
    """So many stores with one device of each role."""
    return [
        device(f"{role}.{store:04d}", f"{store:06d}", role, **more)
        for store in range(stores)
        for role in roles
    ]


def mixed(stores: Mapping[str, Iterable[str]]) -> list[Device]:
    """Stores with the roles that they have."""
    return [
        device(f"{role}.{store}", store, role) for store, roles in stores.items() for role in roles
    ]


def spec(*waves: WaveSize, **more: object) -> RolloutSpec:
    """A rollout of packages with short phases."""
    return RolloutSpec(
        **{
            "payload": "packages",
            "payload_class": PayloadClass.PACKAGES,
            "waves": waves,
            "salt": "test",
            "soak": Soak(wall=timedelta(hours=24)),
            "timing": Timing(
                preflight=timedelta(minutes=2),
                apply=timedelta(minutes=5),
                judge=timedelta(minutes=3),
                undo=timedelta(minutes=6),
            ),
            **more,
        }  # type: ignore[arg-type]
    )


def stores(count: int, most: int = 0) -> WaveSize:
    """A wave that reaches so many stores."""
    return WaveSize(kind=SizeKind.STORES, stores=count, most=most)
