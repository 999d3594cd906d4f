# SPDX-License-Identifier: GPL-3.0-or-later
"""Monitoring systems that can be asked what fires now, found by their names.

One module per kind, as for the readers (``adapters/alerts``): a class ``Settings`` and a function
``connect(name, settings, secrets)``. Other distributions add kinds by entry points of the group
``storewarden.alert_sources``. A kind of which there is only a reader cannot be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from storewarden.adapters.extensions import Extension, Family
from storewarden.adapters.settings import read_settings
from storewarden.ports.alerts import AlertSource
from storewarden.ports.secrets import Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind(Extension):
    """One kind of system."""

    def connect(
        self, name: str, values: Mapping[str, object], secrets: Secrets, folder: Path
    ) -> AlertSource:
        """The source called ``name`` with these settings; nothing is asked of it yet."""
        module = self.load()
        settings = read_settings(module.Settings, values, key_of(name), folder)
        made: AlertSource = module.connect(name, settings, secrets)
        return made


_KINDS = Family(
    kind=SourceKind,
    folder=__name__,
    group="storewarden.alert_sources",
    parts=("Settings", "connect"),
    one="source of alerts",
    many="sources of alerts",
    unknown="this kind of sender cannot be asked",
    guide="docs/developers/add-an-alert-sender.md",
)


def key_of(name: str) -> str:
    """How the section of the source ``name`` is called in refusals."""
    return f"healing.sources.{name}.poll"


def source_kinds(others: Iterable[EntryPoint] | None = None) -> Mapping[str, SourceKind]:
    """Every kind that can be asked, by name. Raises ConfigInvalid for two of one name."""
    return _KINDS.found(others)


def connect_source(
    name: str, kind: str, values: Mapping[str, object], secrets: Secrets, folder: Path = Path()
) -> AlertSource:
    """The source ``name``; ``values`` are its ``poll`` section, ``folder`` is where relative
    paths begin.

    Raises ConfigInvalid for a kind that cannot be asked and for every key that is unknown,
    missing or mistyped.
    """
    return _KINDS.named(kind, key_of(name)).connect(name, values, secrets, folder)
