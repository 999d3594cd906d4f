# SPDX-License-Identifier: GPL-3.0-or-later
"""The action link: how a line is asked, what answers come to, and the unit of a switch."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import HealError
from ansible_collections.storewarden.ops.plugins.module_utils.heal.line_probe import (
    Line,
    checksum,
    echo,
    rounds,
    told,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.link import switches
from ansible_collections.storewarden.ops.plugins.module_utils.heal.link_unit import (
    route_words,
    unit_text,
)

PATIENCE = 60.0
OPTIONS: dict[str, Any] = {
    "backup": {"device": "lte0", "gateway": "198.51.100.1"},
    "metric": 10,
    "table": "main",
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


def test_the_unit_brings_the_route_and_takes_it_away() -> None:
    text = unit_text(OPTIONS)
    route = "default via 198.51.100.1 dev lte0 metric 10 table main"
    assert f"ExecStartPre=ip route replace {route}\n" in text
    assert f'end() {{ trap "" TERM; ip route del {route}; exit 0; }}; trap end TERM' in text
    six = {**OPTIONS, "backup": {"device": "lte0", "gateway": "2001:db8::1"}}
    assert route_words(six).startswith("-6 route {0} default via 2001:db8::1 ")


@pytest.mark.parametrize("word", ["lte0; reboot", "", "a b", "$(id)", "x'y", "a\nb"])
def test_a_word_that_is_none_gets_nowhere_near_a_shell(word: str) -> None:
    with pytest.raises(HealError, match="is no address, device or table"):
        unit_text({**OPTIONS, "backup": {"device": word, "gateway": "198.51.100.1"}})


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"switches": ["x"]}', '{"switches": 1}'])
def test_notes_that_cannot_be_read_are_none(text: str | None) -> None:
    assert switches(text) == []
    assert switches('{"switches": [1, 2.5], "to": "backup"}') == [1.0, 2.5]
