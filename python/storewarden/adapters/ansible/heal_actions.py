# SPDX-License-Identifier: GPL-3.0-or-later
"""The heal actions, asked of the collection's own loader of ``meta/heal.yml``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import cast

from storewarden.adapters.ansible import collection
from storewarden.adapters.ansible.loader import Raw, asked
from storewarden.domain.change.record import Risk
from storewarden.domain.errors import AdapterError, ContentMissing
from storewarden.domain.healing.action import HealAction, Limits, VerifyBy
from storewarden.domain.maintenance.grounds import OperationClass
from storewarden.ports.heal_actions import DescribedAction

_LOADER = Path("plugins") / "plugin_utils" / "heal_meta.py"


def installed_heal_actions(directory: Path | None = None) -> tuple[DescribedAction, ...]:
    """Every heal action of the collection, by name; ``directory`` names another copy of it.

    Raises ConfigInvalid for a broken description, ContentMissing, AdapterError.
    """
    loader = (directory or collection.directory()) / _LOADER
    if not loader.is_file():
        raise ContentMissing("the collection has no loader of heal actions", where=str(loader))
    document = asked([sys.executable, str(loader), "--json"], "heal actions")
    try:
        found = [_described(raw) for raw in cast("Sequence[Raw]", document["actions"])]
    except (KeyError, TypeError, ValueError) as error:
        raise AdapterError(
            f"the loader of heal actions answered with an unexpected document: {error!r}",
            where=str(loader),
        ) from error
    return tuple(sorted(found, key=lambda each: each.action.name))


def _described(raw: Raw) -> DescribedAction:
    limits, timing = _mapping(raw["limits"]), _mapping(raw["timing"])
    options = {name: _mapping(each) for name, each in _mapping(raw["options"]).items()}
    cooldown = limits.get("cooldown")
    action = HealAction(
        name=str(raw["name"]),
        risk=Risk(raw["risk"]),
        operation=OperationClass(raw["operation"]),
        disruptive=bool(raw["disruptive"]),
        idempotent=bool(raw["idempotent"]),
        needs=timedelta(seconds=sum(float(str(each)) for each in timing.values())),
        limits=Limits(
            cooldown=None if cooldown is None else timedelta(seconds=float(str(cooldown))),
            per_6h=_count(limits.get("per_6h")),
            per_24h=_count(limits.get("per_24h")),
        ),
        verify=VerifyBy(str(raw["verify"])),
        options={name: bool(each.get("required")) for name, each in options.items()},
        may_become=tuple(map(OperationClass, cast("Sequence[str]", raw["may_become"]))),
    )
    texts = _mapping(raw["summary"])
    return DescribedAction(
        action=action,
        summary={key: str(text) for key, text in texts.items()},
        alerts=tuple(map(str, cast("Sequence[object]", raw["alerts"]))),
    )


def _mapping(raw: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", raw or {})


def _count(raw: object) -> int | None:
    return None if raw is None else int(str(raw))
