# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the lab that need no hosts: whose process is it, which mirror, whose lock."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.lab import mirror, mounts, shape
from tests.lab.places import LabError, locked, places
from tests.lab.processes import Identity
from tests.lab.shape import LabPlan

_PLAN = LabPlan(name="lab", key="lab-abc123", octet=250, stores=60, pos=3, image="/image")


def test_a_process_is_known_by_more_than_its_number(tmp_path: Path) -> None:
    sleeper = subprocess.Popen(["sleep", "300"])
    try:
        me = Identity.of(sleeper.pid)
        assert me is not None
        me.save(tmp_path / "record")
        assert Identity.load(tmp_path / "record") == me
        assert me.alive()
        assert not Identity(pid=me.pid, start=me.start + 1, boot=me.boot).alive()
        assert not Identity(pid=me.pid, start=me.start, boot="another boot").alive()
    finally:
        sleeper.kill()
    # A zombie has ended, whatever its parent waits for.
    sleeper.poll()
    sleeper.wait()
    assert not me.alive()


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", '{"pid": 1}'])
def test_a_damaged_record_is_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "record").write_text(text)
    assert Identity.load(tmp_path / "record") is None


def test_the_machine_s_own_sources_are_found_in_both_formats(tmp_path: Path) -> None:
    listing = tmp_path / "mirrors.list"
    listing.write_text("http://first.example/debian/\nhttp://second.example/debian\n")
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://off.example/debian trixie main\n"
        "deb-src http://source.example/debian trixie main\n"
        "deb [arch=amd64 signed-by=/keys/own.gpg] http://own.example/debian/ trixie main\n"
    )
    (tmp_path / "sources.list.d/debian.sources").write_text(
        "Types: deb deb-src\n"
        f"URIs: mirror+file://{listing}\n"
        "Suites: trixie trixie-updates\n# a remark\nComponents: main\n"
        "\n"
        "Types: deb\nURIs: http://security.example/debian-security\nSuites: trixie-security\n"
        "Signed-By: /usr/share/keyrings/debian.gpg\n"
        "\n"
        "Types: deb\nEnabled: no\nURIs: http://off.example/\nSuites: trixie\n"
    )
    found = [
        (source.uri, source.suites, source.signed_by) for source in mirror.own_sources(tmp_path)
    ]
    assert found == [
        ("http://own.example/debian", ("trixie",), "/keys/own.gpg"),
        ("http://first.example/debian", ("trixie", "trixie-updates"), ""),
        (
            "http://security.example/debian-security",
            ("trixie-security",),
            "/usr/share/keyrings/debian.gpg",
        ),
    ]


def test_a_chosen_mirror_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOREWARDEN_LAB_MIRROR", "http://here/debian http://here/security")
    uris = [line.split()[2:4] for line in mirror.lines()]
    assert uris == [
        ["http://here/debian", "bookworm"],
        ["http://here/debian", "bookworm-updates"],
        ["http://here/security", "bookworm-security"],
    ]


def test_names_fit_where_they_must(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hosts = _PLAN.hosts
    assert len(hosts) == shape.MOST_HOSTS
    for host in hosts:
        assert len(host.link) <= 15
    for field in ("name", "machine", "address", "configuration_item"):
        assert len({getattr(host, field) for host in hosts}) == len(hosts)
    monkeypatch.setenv("STOREWARDEN_LAB_STATE", str(tmp_path / ("deep" * 30)))
    with pytest.raises(LabError, match="too long for a socket"):
        places("lab")


def test_store_ids_keep_their_zeros_and_hosts_their_groups() -> None:
    server, till = _PLAN.hosts[:2]
    assert shape.variables(till) == {
        "ansible_host": "10.213.250.12",
        "sw_store": "000101",
        "sw_region": "east",
        "sw_role": "pos",
        "sw_ci": "POS-LAB000101-01",
        "sw_tier": "ordinary",
        "sw_failure_groups": ["line-000101", "power-000101"],
        "sw_tz": "Asia/Shanghai",
        "sw_hours": "10:00-22:00",
    }
    assert shape.variables(server)["sw_tier"] == "core"
    assert shape.groups(_PLAN)["store_000102"] == [host.name for host in _PLAN.hosts[4:8]]


def test_a_lock_is_held_once_and_outlives_its_file(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    refused = pytest.raises(LabError, match="held by another command")
    with locked(lock), refused, locked(lock, patience=0.0):
        pass
    with locked(lock):
        lock.unlink()
        # The next one makes a new file: the lock on the removed one protects nobody.
        with locked(lock, patience=0.0):
            assert lock.exists()


def test_removing_a_folder_that_is_not_there_is_fine(tmp_path: Path) -> None:
    mounts.remove_tree(tmp_path / "nothing")
    assert mounts.mounts_below(tmp_path) == []
    assert Path("/proc") in mounts.mounts_below(Path("/proc"))
