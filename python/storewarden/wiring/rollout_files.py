# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a rollout file with what the installed payloads and gates say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from storewarden.config.rollout_file import read_rollout_file
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.rollout.spec import RolloutSpec
from storewarden.ports.payloads import PayloadAbout


def read_file(path: Path, shown: str = "") -> RolloutSpec:
    """The rollout that a file asks for. Raises ConfigInvalid, RolloutFileInvalid with all of its
    mistakes, ContentMissing without the collection."""
    return read_rollout_file(path, shown or str(path), payload_about, _check_gate)


def read_text(text: str) -> RolloutSpec:
    """The same for a file that came over the line."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "rollout.yml")
        path.write_text(text, encoding="utf-8")
        return read_file(path, "rollout file")


def payload_about(name: str) -> PayloadAbout:
    """What a payload of the installed collection says of itself. Raises ConfigInvalid."""
    from storewarden.adapters.ansible.payloads import InstalledPayloads  # noqa: PLC0415

    return InstalledPayloads().about(name)


def _check_gate(kind: str, settings: Mapping[str, object], where: str) -> None:
    from storewarden.adapters.signals import gate_kinds  # noqa: PLC0415 - httpx costs 0.1 s

    kinds = gate_kinds()
    if kind not in kinds:
        raise ConfigInvalid(f"no gate of the kind {kind!r}", hint=f"known: {', '.join(kinds)}")
    kinds[kind].load().Settings.read(settings, where)
