# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that are kept from play to play: never one that was made of something else."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from storewarden.adapters.ansible.module_zips import PREFIX, Builder, ModuleZips

_NAME = f"{PREFIX}probe-ZIP_DEFLATED-none"
_SOURCE = "ansible_collections/storewarden/ops/plugins/modules/probe.py"


@dataclass(slots=True)
class _Site:
    """Where modules are made of two files, and where the next play looks for them."""

    folder: Path
    inside: tuple[str, ...] = (_SOURCE,)

    @property
    def source(self) -> Path:
        return self.folder / _SOURCE

    @property
    def router(self) -> Path:
        return self.folder / "runtime.yml"

    @property
    def place(self) -> Path:
        return self.folder / "play"

    @property
    def kept(self) -> Path:
        return self.folder / "modules"

    def zips(self) -> ModuleZips:
        roots = {"ansible_collections": self.folder}
        builder = Builder(
            place=self.place, roots=roots, always=(str(self.router),), names=lambda _: self.inside
        )
        return ModuleZips(self.kept, builder)

    def play(self, *, began: int | None = None) -> None:
        """One that builds the module and ends; its temporary files are gone then."""
        self.place.mkdir()
        (self.place / _NAME).write_bytes(b"built")
        self.zips().keep(time.time_ns() if began is None else began)
        (self.place / _NAME).unlink()
        self.place.rmdir()

    def laid(self) -> list[str]:
        """What the next play finds."""
        self.zips().lay()
        return sorted(each.name for each in self.place.iterdir()) if self.place.exists() else []


@pytest.fixture
def site(tmp_path: Path) -> _Site:
    found = _Site(tmp_path)
    found.source.parent.mkdir(parents=True)
    found.source.write_text("old")
    found.router.write_text("{}")
    time.sleep(0.02)  # the file system's clock ticks every few milliseconds
    return found


def test_what_nobody_has_changed_is_laid(site: _Site) -> None:
    site.play()
    assert site.laid() == [_NAME]
    assert (site.place / _NAME).read_bytes() == b"built"
    assert {each.stat().st_mode & 0o777 for each in site.kept.iterdir()} == {0o600}
    assert site.kept.stat().st_mode & 0o777 == 0o700


def test_a_source_that_changed_is_built_anew_even_with_its_old_times(site: _Site) -> None:
    site.play()
    before = site.source.stat()
    site.source.write_text("new")
    os.utime(site.source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert site.laid() == []


@pytest.mark.parametrize("name", ["runtime.yml", f"{_SOURCE[:-3]}/__init__.py"])
def test_so_is_one_whose_routes_change_or_beside_which_another_appears(
    site: _Site, name: str
) -> None:
    site.play()
    path = site.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("# another")
    assert site.laid() == []


def test_so_is_one_whose_source_is_gone(site: _Site) -> None:
    site.play()
    site.source.unlink()
    assert site.laid() == []


def test_what_changed_while_the_play_ran_is_not_kept(site: _Site) -> None:
    site.play(began=site.source.stat().st_ctime_ns)
    assert site.laid() == []


def test_what_is_made_of_unknown_things_is_not_kept(site: _Site) -> None:
    site.inside = (_SOURCE, "somebody/else.py")
    site.play()
    assert site.laid() == []


def test_what_was_touched_in_the_folder_is_not_used(site: _Site) -> None:
    site.play()
    (site.kept / _NAME).write_bytes(b"bui")
    assert site.laid() == []


def test_a_broken_note_costs_a_build_and_no_more(site: _Site) -> None:
    site.play()
    (site.kept / f"{_NAME}.json").write_text('{"python"')
    assert site.laid() == []
    site.play()
    assert site.laid() == [_NAME]
