# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's visits: what each answer, and each silence, of the host leads to."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.storewarden.ops.plugins.plugin_utils.fix_visit import Visit, Visits
from ansible_collections.storewarden.ops.plugins.plugin_utils.fresh_connection import unshared
from ansible_collections.storewarden.ops.plugins.plugin_utils.role_ports import role_ports

SILENCE = AnsibleConnectionFailure("Connection timed out")
DONE = {"outcome": "applied", "restore_point": "rp", "listeners": [1], "controls": []}
Answer = dict[str, Any] | Exception


class Line:
    """An ssh connection, as far as a visit knows it."""

    transport = "ssh"

    def __init__(self) -> None:
        self.options = {"ssh_args": "-C -o ControlMaster=auto"}
        self.resets = 0

    def get_option(self, name: str) -> str:
        return self.options[name]

    def set_option(self, name: str, value: str) -> None:
        self.options[name] = value

    def reset(self) -> None:
        self.resets += 1


class Host:
    """Answers each word with the next of its answers, the last one again and again."""

    def __init__(self, line: Line, **answers: list[Answer]) -> None:
        self.line, self.answers = line, answers
        self.heard: list[str] = []
        self.shared: list[bool] = []

    def __call__(self, word: str, work: dict[str, Any]) -> dict[str, Any]:
        self.heard.append(word)
        self.shared.append("ControlPath=none" not in self.line.options["ssh_args"])
        answers = self.answers[word]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


@pytest.fixture
def changed() -> Callable[..., tuple[dict[str, Any], Host]]:
    def change(**answers: list[Answer]) -> tuple[dict[str, Any], Host]:
        line = Line()
        host = Host(line, **answers)
        visits = Visits(connection=line, call=host, address="127.0.0.1", pause=0.01)
        work = {"id": "rp", "deadline": 0.5, "controls": [{"id": "B01", "risk": "R3"}]}
        visit = Visit(work=work, probe_seconds=0.0, return_seconds=0.5)
        answer = visits.change(visit)
        assert line.options["ssh_args"] == "-C -o ControlMaster=auto"
        return answer, host

    return change


Change = Callable[..., tuple[dict[str, Any], Host]]


def test_confirmed_over_a_connection_that_shares_nothing(changed: Change) -> None:
    answer, host = changed(applied=[DONE], confirmed=[{"outcome": "fixed"}])
    assert answer == {"outcome": "fixed", "restore_point": "rp", "controls": []}
    assert host.heard == ["applied", "confirmed"]
    assert host.shared == [False, False]
    assert host.line.resets == 1


def test_what_the_host_settled_by_itself_needs_no_second_visit(changed: Change) -> None:
    answer, host = changed(applied=[{"outcome": "refused", "reason": {}, "controls": []}])
    assert (answer["outcome"], host.heard) == ("refused", ["applied"])


def test_no_new_connection_waits_for_the_host_to_come_back(changed: Change) -> None:
    back = {"phase": "restored", "left": None, "restored_after": 1.25}
    answer, host = changed(applied=[DONE], confirmed=[SILENCE], inspected=[back], undone=[SILENCE])
    assert (answer["outcome"], answer["restored_after"]) == ("undone", 1.25)
    assert "no new connection" in answer["reason"]["en"]
    assert "undone" not in host.heard


def test_a_host_that_answers_again_before_its_deadline_goes_back_at_once(changed: Change) -> None:
    answer, host = changed(
        applied=[DONE],
        confirmed=[SILENCE],
        inspected=[{"phase": "armed", "left": 20.0}],
        undone=[{"outcome": "undone", "reason": {"en": "x", "zh": "x"}}],
    )
    assert answer["outcome"] == "undone"
    assert "restored_after" not in answer
    assert host.heard[-1] == "undone"


@pytest.mark.slow
def test_a_host_that_does_not_come_back_is_lost(changed: Change) -> None:
    answer, _host = changed(applied=[DONE], confirmed=[SILENCE], inspected=[SILENCE])
    assert (answer["outcome"], answer["restore_point"]) == ("lost", "rp")


def test_a_confirmation_whose_answer_was_lost_counts(changed: Change) -> None:
    answer, _host = changed(
        applied=[DONE], confirmed=[SILENCE], inspected=[{"phase": "confirmed", "left": None}]
    )
    assert answer["outcome"] == "fixed"


@pytest.mark.parametrize(
    ("phase", "outcome", "point"), [("restored", "undone", "rp"), (None, "failed", None)]
)
def test_a_line_lost_during_the_change(
    changed: Change, phase: str | None, outcome: str, point: str | None
) -> None:
    answer, _host = changed(applied=[SILENCE], inspected=[{"phase": phase, "left": None}])
    assert (answer["outcome"], answer["restore_point"]) == (outcome, point)
    assert [one["id"] for one in answer["controls"]] == ["B01"]
    assert "the line was lost" in answer["reason"]["en"]


def test_a_host_that_still_plans_behind_a_lost_line_is_waited_for(changed: Change) -> None:
    nothing, armed = {"phase": None, "left": None}, {"phase": "armed", "left": 20.0}
    answer, host = changed(
        applied=[SILENCE], inspected=[nothing, armed], undone=[{"outcome": "undone"}]
    )
    assert (answer["outcome"], answer["restore_point"]) == ("undone", "rp")
    assert host.heard == ["applied", "inspected", "inspected", "undone"]


def test_a_host_that_said_no_is_not_waited_for(changed: Change) -> None:
    nothing = {"phase": None, "left": None}
    answer, host = changed(applied=[AnsibleError("fixes are made as root")], inspected=[nothing])
    assert (answer["outcome"], host.heard) == ("failed", ["applied", "inspected"])


def test_other_connections_have_no_such_options() -> None:
    class Local:
        transport = "local"

        def __init__(self) -> None:
            self.asked: list[str] = []

        def get_option(self, name: str) -> str:
            self.asked.append(name)
            return ""

        def set_option(self, name: str, _value: str) -> None:
            self.asked.append(name)

    line = Local()
    with unshared(line):
        assert line.asked == []
    assert line.asked == []


class Shop:
    """A service of the host's role, for as long as its port is open."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    def visited(self, *standing: int, shut: bool = True) -> tuple[dict[str, Any], list[str]]:
        """What a change comes to that may shut the port; ``standing`` is what the host promises."""
        done = {**DONE, "listeners": [{"port": port, "process": "shop"} for port in standing]}
        host = Host(Line(), applied=[done], confirmed=[{"outcome": "fixed"}], undone=[
            {"outcome": "undone", "reason": {"en": "", "zh": ""}}])  # fmt: skip
        reasons: list[str] = []

        def call(word: str, work: dict[str, Any]) -> dict[str, Any]:
            if word == "applied" and shut:
                self.socket.close()
            reasons.append(work.get("reason", {}).get("en", ""))
            return host(word, work)

        visits = Visits(connection=host.line, call=call, address="127.0.0.1")
        work = {"id": "rp", "deadline": 9.0, "controls": []}
        visit = Visit(work=work, role_ports=(self.port,), probe_seconds=0.0)
        return visits.change(visit), reasons


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.socket.close()


def test_a_port_of_the_role_that_does_not_answer_any_more_takes_the_change_back(shop: Shop) -> None:
    answer, reasons = shop.visited(shop.port)
    assert answer["outcome"] == "undone"
    assert reasons[-1] == f"the controller does not reach port {shop.port} any more"


def test_a_port_of_the_role_that_answers_is_confirmed(shop: Shop) -> None:
    assert shop.visited(shop.port, shut=False)[0]["outcome"] == "fixed"


def test_a_port_that_the_host_means_to_close_may_be_shut(shop: Shop) -> None:
    assert shop.visited(22)[0]["outcome"] == "fixed"


def test_a_port_of_the_role_that_was_shut_before_is_not_asked_for(shop: Shop) -> None:
    shop.socket.close()
    assert shop.visited(shop.port)[0]["outcome"] == "fixed"


def test_what_a_role_serves() -> None:
    allowed = [
        {"port": 22, "process": "sshd"},
        {"port": "443"},
        {"port": 8080, "proto": "tcp", "approval": "the shop"},
        {"port": 514, "proto": "udp"},
        {"port": "32768-60999", "process": "x"},
        {"port": 5432},
        {"port": 8443, "sources": ["10.0.0.0/8"]},
        {"port": 8081, "expires": "2026-01-31"},
        {"port": 70000},
        "nonsense",
    ]
    assert role_ports(allowed, [5432], own=22) == (443, 8080)
    assert role_ports(allowed, [], own=2222) == (22, 443, 5432, 8080)


def test_a_port_that_is_shut_takes_the_change_back() -> None:
    line = Line()
    host = Host(line, applied=[DONE], undone=[{"outcome": "undone"}])
    visits = Visits(connection=line, call=host, address="127.0.0.1")
    # port 0 is nobody's
    visit = Visit(work={"id": "rp", "deadline": 9.0, "controls": []}, ports=(0,), probe_seconds=0.0)
    assert visits.change(visit)["outcome"] == "undone"
    assert host.heard == ["applied", "undone"]
