# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of what monitoring systems send, found by their names.

A reader is one module of this folder with a class ``Settings`` (its keys) and a function
``reader(settings)``; the module's name is the ``kind`` of a source in the settings. Other
distributions add kinds by entry points of the group ``storewarden.alerts`` that name such a
module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from storewarden.adapters.extensions import Extension, Family
from storewarden.adapters.settings import read_settings
from storewarden.ports.alerts import AlertReader


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertKind(Extension):
    """One kind of sender."""

    def reader(self, values: Mapping[str, object], where: str) -> AlertReader:
        """Its reader with these settings. Raises ConfigInvalid, naming ``where`` and the key."""
        module = self.load()
        made: AlertReader = module.reader(read_settings(module.Settings, values, where))
        return made


_KINDS = Family(
    kind=AlertKind,
    folder=__name__,
    group="storewarden.alerts",
    parts=("Settings", "reader"),
    one="sender of alerts",
    many="senders of alerts",
    unknown="no sender of alerts of that kind",
    guide="docs/developers/add-an-alert-sender.md",
)


def alert_kinds(others: Iterable[EntryPoint] | None = None) -> Mapping[str, AlertKind]:
    """Every known kind by name. ``others``: entry points; by default the installed ones.

    Raises ConfigInvalid for two of one name.
    """
    return _KINDS.found(others)


def alert_reader(kind: str, values: Mapping[str, object], where: str) -> AlertReader:
    """The reader for a source that stands at ``where`` ("healing.sources.shop").

    Raises ConfigInvalid for an unknown kind and for every key that is unknown or mistyped.
    """
    return _KINDS.named(kind, f"{where}.kind").reader(values, where)
