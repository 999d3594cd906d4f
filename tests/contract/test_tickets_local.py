# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs no server: the fake in memory, the registry, and ``local``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from storewarden.adapters.tickets import connect_ticket_system, ticket_systems
from storewarden.config.tickets import TicketsConfig
from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.secrets import Secret
from storewarden.testing.conformance_tickets import TicketConformance
from storewarden.testing.tickets import MemoryTickets


class NoSecrets:
    """Nothing is asked for."""

    def read(self, reference: str) -> Secret:
        raise AssertionError(reference)


class TestMemory(TicketConformance):
    @pytest.fixture
    def system(self) -> MemoryTickets:
        return MemoryTickets()

    @pytest.fixture
    def server(self, system: MemoryTickets) -> MemoryTickets:
        return system


def test_systems_are_found_by_their_file_names() -> None:
    known = ticket_systems(())
    assert {"local", "roundup", "http"} <= set(known)
    assert not {"settings", "transport", "marks"} & set(known)


def test_local_is_no_other_system() -> None:
    """There is nothing to mirror into; a key that only a real system has is a mistake."""
    assert connect_ticket_system("local", {}, NoSecrets()) is None
    with pytest.raises(ConfigInvalid, match=r"tickets\.local\.url: unknown key"):
        connect_ticket_system("local", {"url": "https://itsm.example"}, NoSecrets())


def test_an_unknown_system_names_the_known() -> None:
    with pytest.raises(ConfigInvalid, match=r"tickets\.system.*known: .*local.*roundup"):
        connect_ticket_system("roundap", {}, NoSecrets())


def _point(folder: Path, name: str, source: str) -> EntryPoint:
    (folder / "their_tickets.py").write_text(source)
    return EntryPoint(name=name, value="their_tickets", group="storewarden.tickets")


THEIRS = """
from storewarden.adapters.settings import AdapterSettings

class Settings(AdapterSettings):
    room: str

def connect(settings, secrets):
    return ("connected to", settings.room)
"""


def test_other_packages_bring_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their settings are read like ours."""
    monkeypatch.syspath_prepend(tmp_path)
    theirs = ticket_systems([_point(tmp_path, "theirs", THEIRS)])["theirs"]
    assert theirs.connect({"room": "7"}, NoSecrets(), tmp_path) == ("connected to", "7")
    with pytest.raises(ConfigInvalid, match=r"tickets\.theirs\.room: is missing"):
        theirs.connect({}, NoSecrets(), tmp_path)


def test_two_systems_of_one_name_are_refused(tmp_path: Path) -> None:
    point = _point(tmp_path, "roundup", THEIRS)
    with pytest.raises(ConfigInvalid, match=r"two ticket systems are called roundup"):
        ticket_systems([point])
    other = EntryPoint(name="theirs", value="elsewhere", group="storewarden.tickets")
    with pytest.raises(ConfigInvalid, match=r"two ticket systems are called theirs"):
        ticket_systems([_point(tmp_path, "theirs", THEIRS), other])


def test_a_module_that_is_no_system_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "no_tickets_here.py").write_text("x = 1\n")
    point = EntryPoint(name="empty", value="no_tickets_here", group="storewarden.tickets")
    with pytest.raises(ConfigInvalid, match="lacks Settings or connect"):
        ticket_systems([point])["empty"].connect({}, NoSecrets(), tmp_path)


@pytest.mark.parametrize(
    ("section", "system", "settings"),
    [
        ({}, "local", {}),
        ({"system": "roundup", "url": "x", "language": "zh"}, "roundup", {"url": "x"}),
    ],
)
def test_the_section_keeps_foreign_keys_for_the_adapter(
    section: Mapping[str, object], system: str, settings: Mapping[str, object]
) -> None:
    read = TicketsConfig.model_validate(section)
    assert (read.system, read.settings) == (system, settings)
