# SPDX-License-Identifier: GPL-3.0-or-later
"""The action link: how a line is asked, what answers come to, and the unit of a switch."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.line_probe import (
    Line,
    checksum,
    echo,
    rounds,
    target_problem,
    told,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.link import ACTION, switches
from ansible_collections.storewarden.ops.plugins.module_utils.heal.link_keeper import (
    END,
    STAY,
    TRY,
    Settings,
    Watch,
    note,
    settings_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.link_unit import (
    PROGRAM,
    programs,
    route_words,
    unit_text,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

PATIENCE = 60.0
OPTIONS: dict[str, Any] = {
    "primary": {"device": "wan0", "gateway": "203.0.113.1", "targets": ["192.0.2.10:443"]},
    "backup": {"device": "lte0", "gateway": "198.51.100.1", "targets": ["192.0.2.10"]},
    "metric": 10,
    "table": "main",
    "seconds": 1.0,
    "rounds": 10,
    "dead_after": 300.0,
    "lease": 21600.0,
    "stable": 60.0,
}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([True] * 4, (0, 0.0, 0, 4)),
        ([False] * 4, (4, 100.0, 4, 0)),
        ([True, False, False], (2, 66.7, 2, 0)),
        ([False, True, True], (1, 33.3, 0, 2)),
        ([], (0, 100.0, 0, 0)),
    ],
)
def test_what_a_run_of_answers_comes_to(results: list[bool], expected: tuple[Any, ...]) -> None:
    found = told(results)
    assert (found["lost"], found["loss"], found["failed_last"], found["good_last"]) == expected


def test_a_listener_and_a_refusal_are_both_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as line:
        port = line.getsockname()[1]
        assert rounds(Line("", (f"127.0.0.1:{port}",)), 2, PATIENCE, 0) == [True, True]
    assert rounds(Line("", (f"127.0.0.1:{port}",)), 1, PATIENCE) == [True]


def test_one_target_that_answers_is_enough_and_a_device_that_is_gone_never_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as line:
        good = f"127.0.0.1:{line.getsockname()[1]}"
        assert rounds(Line("", ("256.0.0.1:1", good)), 1, PATIENCE) == [True]
        assert rounds(Line("no-such-device", (good,)), 1, PATIENCE) == [False]


def test_an_echo_request_has_a_right_checksum() -> None:
    packet = echo(0x1234)
    assert packet[:2] == b"\x08\0"
    assert checksum(packet) == 0  # RFC 1071: over all of it, its own sum included
    assert packet[4:6] == b"\x12\x34"


def test_the_unit_hands_its_program_all_that_it_has_to_know() -> None:
    text = unit_text(OPTIONS, "/usr/bin/python3")
    route = "route {0} default via 198.51.100.1 dev lte0 metric 10 table main"
    (line,) = [one for one in text.splitlines() if one.startswith("ExecStart=")]
    words = shlex.split(line.partition("=")[2])
    assert words[:-1] == ["/usr/bin/python3", "-E", "-s", "-B", PROGRAM]
    found = settings_of(words[-1])
    assert (found.route, found.lease, found.dead_after) == (route, 21600.0, 300.0)
    assert (found.primary, found.backup) == (
        Line("wan0", ("192.0.2.10:443",)), Line("lte0", ("192.0.2.10",)),
    )  # fmt: skip
    assert f"ExecStopPost=-ip {route.format('del')}\n" in text
    assert "%" not in text
    six = {**OPTIONS, "backup": {"device": "lte0", "gateway": "2001:db8::1"}}
    assert route_words(six).startswith("-6 route {0} default via 2001:db8::1 ")


def test_the_program_of_the_unit_runs_without_the_rest(tmp_path: Path) -> None:
    """Beside its one neighbour alone, as on a host; the route's words end it at once."""
    for path, text in programs().items():
        (tmp_path / Path(path).name).write_text(text)
    settings = shlex.split(unit_text(OPTIONS).split("ExecStart=")[1].splitlines()[0])[-1]
    (tmp_path / "ip").write_text('#!/bin/sh\necho "no $3 here" >&2\nexit 2\n')
    (tmp_path / "ip").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-B", str(tmp_path / Path(PROGRAM).name), settings],
        env={"PATH": str(tmp_path)}, cwd="/", capture_output=True, text=True, check=False,
        timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "no default here\n"), done.stderr


SETTINGS = Settings(
    route="", primary=Line("", ()), backup=Line("", ()), seconds=1, dead_after=300, lease=3600,
    stable=60, unit="", notes="",
)  # fmt: skip


def _watched(looks: list[tuple[float, bool, bool]]) -> list[str]:
    watch = Watch(SETTINGS, 0.0)
    return [watch.after(now, backup=backup, primary=primary) for now, backup, primary in looks]


def test_a_backup_that_died_is_let_go_again_and_again() -> None:
    silent = [(float(now), False, False) for now in range(15, 901, 15)]
    said = _watched(silent)
    assert [now for (now, _b, _p), one in zip(silent, said, strict=True) if one == TRY] == [
        300.0, 600.0, 900.0,
    ]  # fmt: skip
    assert set(said) == {STAY, TRY}


def test_one_answer_over_the_backup_in_time_is_enough() -> None:
    assert set(_watched([(280.0, False, False), (295.0, True, False), (590.0, False, True)])) == {
        STAY
    }


def test_the_lease_ends_once_the_line_has_been_good_and_not_before() -> None:
    looks = [
        (3590.0, True, True), (3605.0, True, False), (3620.0, True, True), (3665.0, True, True),
        (3680.0, True, True),
    ]  # fmt: skip
    assert _watched(looks) == [STAY, STAY, STAY, STAY, END]


def test_going_back_is_noted_beside_the_other_switches(tmp_path: Path) -> None:
    path = tmp_path / "link.json"
    note(str(path), 5.0)
    path.write_text('{"switches": [1.0], "to": "backup"}')
    note(str(path), 5.0)
    assert switches(path.read_text()) == [1.0, 5.0]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("192.0.2.10", ""), ("192.0.2.10:443", ""), ("[2001:db8::1]:443", ""),
        ("2001:db8::1", "asked by ICMP"), ("shop.example.com", "is no address"),
        ("shop.example.com:443", "is no address"), ("", "is no address"),
    ],
)  # fmt: skip
def test_a_target_is_an_address(tmp_path: Path, target: str, problem: str) -> None:
    assert problem in target_problem(target)
    assert bool(problem) == bool(target_problem(target))
    if problem:
        asked = {**OPTIONS, "primary": {**OPTIONS["primary"], "targets": ["192.0.2.1", target]}}
        with pytest.raises(HealError, match="targets: "):
            ACTION.facts(Host(str(tmp_path)), asked)


def test_a_look_that_would_not_end_in_time_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(HealError, match="come to 160 s for one look; 150 s are the most"):
        ACTION.facts(Host(str(tmp_path)), {**OPTIONS, "rounds": 50})


@pytest.mark.parametrize("word", ["lte0; reboot", "", "a b", "$(id)", "x'y", "a\nb"])
def test_a_word_that_is_none_gets_nowhere_near_a_shell(word: str) -> None:
    with pytest.raises(HealError, match="is no address, device or table"):
        unit_text({**OPTIONS, "backup": {**OPTIONS["backup"], "device": word}})


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"switches": ["x"]}', '{"switches": 1}'])
def test_notes_that_cannot_be_read_are_none(text: str | None) -> None:
    assert switches(text) == []
    assert switches('{"switches": [1, 2.5], "to": "backup"}') == [1.0, 2.5]
