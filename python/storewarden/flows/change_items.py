# SPDX-License-Identifier: GPL-3.0-or-later
"""From what people type (hosts, groups, patterns) to the configuration items of a change.

Ansible itself resolves, since its patterns are what operators know; but a name that matches
nothing is refused, where Ansible would leave it out and a change would be short of a host.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from storewarden.domain.change.record import Item
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.estate.device import Device, read_estate
from storewarden.ports.clock import Clock
from storewarden.ports.inventory import Inventory

# "@file" would make Ansible read a file of the service's machine, "~" is a regular expression.
_PATTERN = re.compile(r"[\w.*?\[\]!&:,-]+")
_WORD = re.compile(r"[\w.-]+")
_KEPT = timedelta(seconds=30)
_MOST = 32  # remembered answers
_LONGEST = 100_000  # characters of a pattern; the kernel takes 128 KiB for one argument
_SHOWN = 80  # characters of a name in a message
_EVERYTHING, _ALL = "", "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One answer of Ansible, and the hosts of each group in it."""

    at: datetime
    devices: tuple[Device, ...]
    groups: Mapping[str, tuple[str, ...]]

    def named(self, words: Sequence[str]) -> tuple[Device, ...]:
        """The devices that are called so or belong to groups called so, each once, in order."""
        known, wanted = {device.name for device in self.devices}, set[str]()
        for word in words:
            if word not in known and word not in self.groups and word != _ALL:
                raise ConfigInvalid(f"{word[:_SHOWN]} matches no host", where="hosts")
            wanted.update(known if word == _ALL else self.groups.get(word, (word,)))
        return tuple(device for device in self.devices if device.name in wanted)


class EstateItems:
    """The ``ResolveItems`` and the devices of one site's inventory.

    The same question within half a minute is answered from memory: many people may open
    changes at once, and Ansible takes a second or more for each answer.
    """

    def __init__(
        self,
        inventory: Inventory,
        sources: Sequence[Path | str],
        *,
        clock: Clock,
        zone_known: Callable[[str], bool],
        vault_password: Path | None = None,
    ) -> None:
        self._inventory = inventory
        self._sources = tuple(sources)
        self._clock = clock
        self._zone_known = zone_known
        self._vault_password = vault_password
        self._lock = threading.Lock()
        self._known: dict[str, _Answer] = {}

    def __call__(self, patterns: Sequence[str]) -> tuple[Item, ...]:
        """Items in the inventory's order; ConfigInvalid for what is no name or matches nothing."""
        return tuple(_item(device) for device in self.devices(patterns)) if patterns else ()

    def devices(self, patterns: Sequence[str]) -> tuple[Device, ...]:
        """The devices behind ``patterns``."""
        for pattern in patterns:
            if not _PATTERN.fullmatch(pattern):
                raise ConfigInvalid(
                    f"{pattern[:_SHOWN]!r} is neither a host nor a pattern",
                    where="hosts",
                    hint="names, groups, * and ?, with : :& :! between them",
                )
        if all(_WORD.fullmatch(pattern) for pattern in patterns):
            return self._answer(_EVERYTHING).named(patterns)
        limit = ",".join(patterns)
        if len(limit) > _LONGEST:
            raise ConfigInvalid("the patterns are too long", where="hosts", hint="name a group")
        answer = self._answer(limit)
        words = (word for pattern in patterns for word in re.split("[,:]", pattern))
        answer.named([word for word in words if _WORD.fullmatch(word)])  # none is misspelt
        return answer.devices

    def _answer(self, limit: str) -> _Answer:
        with self._lock:
            now = self._clock.now()
            kept = {k: a for k, a in self._known.items() if timedelta(0) <= now - a.at < _KEPT}
            self._known = kept if len(kept) < _MOST else {}
            if limit not in self._known:
                self._known[limit] = self._resolve(limit, now)
            return self._known[limit]

    def _resolve(self, limit: str, now: datetime) -> _Answer:
        if not self._sources:
            raise ConfigInvalid(
                "the site has no inventory", where="hosts", hint="inventory of storewarden.yml"
            )
        found = self._inventory.resolve(
            self._sources, limit=limit, vault_password=self._vault_password
        )
        devices = read_estate(found.hosts, self._zone_known).devices
        return _Answer(at=now, devices=devices, groups=found.groups)


def _item(device: Device) -> Item:
    return Item(
        host=device.name,
        ci=device.ci,
        store=device.store,
        region=device.region,
        role=device.role,
        tier=device.tier.value if device.tier else "",
    )
