# SPDX-License-Identifier: GPL-3.0-or-later
"""What every calendar format owes: it is found by itself, and a wrong file is one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storewarden.adapters.calendars.folder import CalendarFolder, readers
from storewarden.domain.errors import ConfigInvalid

FORMATS = sorted(readers())


def test_formats_are_found_by_themselves() -> None:
    assert {".yml", ".yaml", ".ics"} <= set(FORMATS)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    "data",
    [b"\x00\x01\x02", b"\xff\xfe\xff\xfe", b"{[", b"BEGIN:", b"- " * 50, "维护".encode("gb18030")],
)
def test_a_file_of_nonsense_is_one_line_that_names_it(
    tmp_path: Path, suffix: str, data: bytes
) -> None:
    folder = tmp_path / "windows"
    folder.mkdir()
    (folder / f"bad{suffix}").write_bytes(data)
    with pytest.raises(ConfigInvalid) as caught:
        CalendarFolder().read(folder)
    assert str(caught.value).startswith(f"windows/bad{suffix}:")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"gone{suffix}"
    with pytest.raises(ConfigInvalid, match="cannot be read: no such file"):
        readers()[suffix](path, f"windows/gone{suffix}")


@pytest.fixture
def fresh() -> Iterator[None]:
    """Formats are looked for once per program."""
    readers.cache_clear()
    yield
    readers.cache_clear()


def _distribution(folder: Path, suffix: str) -> None:
    (folder / "their_calendars.py").write_text(
        f"SUFFIXES = ({suffix!r},)\ndef read_file(path, shown):\n    return shown\n"
    )
    info = folder / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[storewarden.calendars]\nsheet = their_calendars\n")


@pytest.mark.usefixtures("fresh")
def test_other_packages_bring_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _distribution(tmp_path, ".sheet")
    monkeypatch.syspath_prepend(tmp_path)
    assert readers()[".sheet"](tmp_path, "windows/a.sheet") == "windows/a.sheet"
    assert set(FORMATS) < set(readers())


@pytest.mark.usefixtures("fresh")
def test_two_formats_of_one_suffix_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _distribution(tmp_path, ".ics")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "their_calendars", raising=False)
    with pytest.raises(ConfigInvalid, match=r"sheet of theirs: is a second .* for \.ics"):
        readers()
