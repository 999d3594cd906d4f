# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run an announced one is, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from storewarden.adapters.ansible.announced import MESSAGE_BEGINS, Announced, Coming
from storewarden.adapters.ansible.rundir import Request

_ASKED = Request(
    run_id="a", playbook="site.yml", hosts=("pos1", "pos2"), exclusive=True, owner="repair",
    label="R1", started=1.0, timeout=60.0, forks=2, check_mode=False, collections=("/c",),
)  # fmt: skip


def _coming(*requests: Request) -> Coming:
    found = Coming()
    for each in requests:
        found.add(each)
    return found


def test_the_same_request_later_is_the_run_that_was_announced() -> None:
    later = replace(_ASKED, run_id="b", started=2.0)
    assert _coming(_ASKED).known(later) == replace(later, run_id="a")


def test_what_asks_for_anything_else_is_another_run() -> None:
    for other in (
        replace(_ASKED, run_id="b", hosts=("pos1",)),
        replace(_ASKED, run_id="b", exclusive=False),
        replace(_ASKED, run_id="b", label="R2"),
        replace(_ASKED, run_id="b", private_key="/another"),
    ):
        assert _coming(_ASKED).known(other) is other


def test_an_id_is_given_to_one_run_only() -> None:
    coming = _coming(_ASKED)
    assert coming.known(replace(_ASKED, run_id="b")).run_id == "a"
    assert coming.known(replace(_ASKED, run_id="c")).run_id == "c"


def test_the_last_announcement_counts_and_others_are_kept() -> None:
    other = replace(_ASKED, run_id="o", label="R2")
    coming = _coming(_ASKED, other, replace(_ASKED, run_id="n"))
    assert coming.known(replace(_ASKED, run_id="b")).run_id == "n"
    assert coming.known(replace(other, run_id="b")).run_id == "o"


def test_those_that_never_come_are_not_kept_for_ever() -> None:
    coming = _coming(*(replace(_ASKED, label=f"R{number}") for number in range(1000)))
    known = [coming.known(replace(_ASKED, run_id="b", label=f"R{n}")).run_id for n in range(1000)]
    assert known.count("a") <= 100
    assert known[-1] == "a"


def test_a_message_is_read_as_it_was_written() -> None:
    announced = Announced(
        path=Path("/state/runs/a"),
        request=_ASKED,
        hosts={"pos1": {"ansible_host": "192.0.2.1", "ansible_port": 22}},
        environment={"HOME": "/root"},
    )
    assert announced.text().startswith(MESSAGE_BEGINS)
    assert Announced.read(announced.text()) == announced
