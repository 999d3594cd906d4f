# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in a repository of restic, by the program that hosts run, with the real restic."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.contract.restic_bench import SECRET, Bench

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.fill(sales=os.urandom(300_000), prices=b"apple 2.50\n" * 500)
    return bench


def _everything_told(bench: Bench) -> str:
    files = [one for one in (bench.root / "jobs").rglob("*") if one.is_file()]
    return "".join(one.read_text(errors="replace") for one in files)


def test_a_set_is_taken_and_its_restore_is_rehearsed_and_measured(bench: Bench) -> None:
    taken = bench.run("take")
    (made,) = taken["sets"]
    assert taken["end"] == "done" and made["level"] == 1 and made["damaged"] == ""
    assert made["size"] > 300_000 and made["id"].endswith("Z-full")
    drill = bench.run("drill", disaster=taken["began"] + 90.0)["drill"]
    assert drill["passed"] and drill["level"] == 4 and drill["set"] == made["id"]
    assert drill["rto"] == pytest.approx(sum(drill["phases"].values()), abs=0.01)
    assert 60.0 < drill["rpo"] <= 91.0
    assert bench.left_behind() == [] and bench.locks() == []
    assert SECRET not in _everything_told(bench)
    assert not any((bench.root / "secrets").iterdir())


def test_a_wrong_password_is_told_as_such_and_nothing_is_made_anew(bench: Bench) -> None:
    bench.run("take")
    keys = sorted((bench.repository / "keys").iterdir())
    bench.password = "guessed"
    refused = bench.run("take")
    assert refused["end"] == "auth" and "password" in refused["reason"]["en"]
    assert bench.run("list")["end"] == "auth"
    assert sorted((bench.repository / "keys").iterdir()) == keys


@pytest.mark.full
def test_a_repository_without_its_config_is_not_made_anew(bench: Bench) -> None:
    bench.run("take")
    (bench.repository / "config").unlink()
    assert bench.run("take")["end"] == "failed"
    assert not (bench.repository / "config").exists()


def test_a_source_that_is_not_there_is_a_failure(bench: Bench) -> None:
    gone = bench.run("take", source={"paths": [str(bench.source), "/srv/till/gone"]})
    assert gone["end"] == "failed" and "/srv/till/gone" in gone["reason"]["en"]
    assert not bench.repository.exists()


@pytest.mark.full
def test_a_file_that_cannot_be_read_makes_the_set_a_failure_and_is_named(bench: Bench) -> None:
    source = {"paths": [str(bench.source), "/proc/self/mem"], "settled": 0}
    part = bench.run("take", source=source)
    assert part["end"] == "failed" and "mem" in part["reason"]["en"]
    (made,) = part["sets"]
    assert made["damaged"] and made["level"] == 0


def test_a_method_that_is_not_there_is_one_line(bench: Bench) -> None:
    said = bench.run("take", method="tape")
    assert said["end"] == "failed" and "tape" in said["reason"]["en"]
    assert said["reason"]["zh"]


def test_an_order_with_unknown_words_is_refused(bench: Bench) -> None:
    said = bench.run("take", colour="red")
    assert said["end"] == "failed" and "colour" in said["reason"]["en"]


@pytest.fixture
def two_sets(bench: Bench) -> tuple[Bench, str, str, list[Path]]:
    """Two sets, and the packs that only the second one needs."""
    first = bench.run("take")["sets"][0]["id"]
    before = set(bench.packs())
    bench.fill(more=os.urandom(900_000))
    second = bench.run("take")["sets"][0]["id"]
    return bench, first, second, [one for one in bench.packs() if one not in before]


@pytest.mark.full
def test_a_flipped_byte_is_found_by_reading_alone_and_names_its_set(
    two_sets: tuple[Bench, str, str, list[Path]],
) -> None:
    bench, first, second, packs = two_sets
    packs[0].chmod(0o600)
    with packs[0].open("r+b") as pack:
        pack.seek(400_000)
        byte = pack.read(1)
        pack.seek(400_000)
        pack.write(bytes([byte[0] ^ 1]))
    listed = {one["id"]: one for one in bench.run("verify", level=1)["sets"]}
    assert listed[second]["damaged"] == ""
    read = {one["id"]: one for one in bench.run("verify", level=2)["sets"]}
    assert read[second]["level"] == 0 and packs[0].name[:10] in read[second]["damaged"]
    assert read[first]["damaged"] == "" and read[first]["level"] >= 1
    drill = bench.run("drill", sets=[second])["drill"]
    assert not drill["passed"] and drill["differences"]


@pytest.mark.full
@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_a_pack_that_is_gone_or_cut_off_demotes_its_sets_and_those_to_come(
    two_sets: tuple[Bench, str, str, list[Path]], how: str
) -> None:
    bench, first, second, packs = two_sets
    if how == "missing":
        packs[0].unlink()
    else:
        packs[0].chmod(0o600)
        os.truncate(packs[0], 1000)
    seen = {one["id"]: one for one in bench.run("list", sets=[first, "lost-set"])["sets"]}
    assert seen[first]["level"] == 1 and seen[second]["level"] == 0
    assert seen[second]["damaged"] and "not in the repository" in seen["lost-set"]["damaged"]
    # restic itself ends with 0 here: it believes that it has these blobs.
    again = bench.run("take")
    assert again["end"] == "failed"
    assert {one["id"] for one in again["sets"] if one["damaged"]} >= {second}


@pytest.mark.full
def test_sets_go_by_name_and_the_others_stay(two_sets: tuple[Bench, str, str, list[Path]]) -> None:
    bench, first, second, _packs = two_sets
    gone = bench.run("prune", sets=[first])
    assert gone["removed"] == [first]
    assert [one["id"] for one in bench.run("verify", level=2)["sets"]] == [second]


@pytest.mark.full
def test_production_gets_back_what_it_had_with_modes_and_nothing_else_is_touched(
    bench: Bench,
) -> None:
    (bench.source / "prices").chmod(0o640)
    made = bench.run("take")["sets"][0]["id"]
    (bench.source / "prices").write_bytes(b"gone wrong")
    (bench.source / "sales").unlink()
    (bench.source / "newer").write_bytes(b"stays")
    done = bench.run("restore", sets=[made])
    assert done["end"] == "done", done
    assert "looked at in place" in done["notes"][-1]["en"]
    assert (bench.source / "prices").read_bytes() == b"apple 2.50\n" * 500
    assert (bench.source / "prices").stat().st_mode & 0o777 == 0o640
    assert (bench.source / "sales").stat().st_size == 300_000
    assert (bench.source / "newer").read_bytes() == b"stays"


@pytest.mark.full
def test_a_restore_elsewhere_leaves_production_alone(bench: Bench, tmp_path: Path) -> None:
    made = bench.run("take")["sets"][0]["id"]
    into = tmp_path / "elsewhere"
    assert bench.run("restore", sets=[made], into=str(into))["end"] == "done"
    (prices,) = into.rglob("prices")
    assert prices.read_bytes() == b"apple 2.50\n" * 500
    assert bench.run("restore", sets=[made], into=str(into))["end"] == "failed"


@pytest.mark.full
def test_a_scratch_place_inside_of_production_is_refused(bench: Bench) -> None:
    bench.run("take")
    source = {"paths": [str(bench.source)], "scratch": str(bench.source / "scratch")}
    said = bench.run("drill", source=source)
    assert said["end"] == "failed" and "in one another" in said["reason"]["en"]
    assert not (bench.source / "scratch").exists()


@pytest.mark.full
def test_data_that_differ_from_the_manifest_fail_the_rehearsal(bench: Bench) -> None:
    """A manifest of before, over files that changed before restic came to them."""
    tools = bench.root.parent / "tools"
    tools.mkdir()
    real = shutil.which("restic", path=bench.path)
    spoil = f'case " $* " in *" backup "*) echo late >> {bench.source}/prices;; esac'
    (tools / "restic").write_text(f'#!/bin/sh\n{spoil}\nexec {real} "$@"\n')
    (tools / "restic").chmod(0o755)
    honest, bench.path = bench.path, f"{tools}:{bench.path}"
    assert bench.run("take")["end"] == "done"
    bench.path = honest
    drill = bench.run("drill")["drill"]
    assert not drill["passed"] and drill["level"] == 3
    assert any("prices" in line for line in drill["differences"])
