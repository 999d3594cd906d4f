# SPDX-License-Identifier: GPL-3.0-or-later
"""Observed values as text, and advice from messages."""

from __future__ import annotations

import pytest

from storewarden.adapters.reports.advice import advice_for
from storewarden.adapters.reports.catalogue import words
from storewarden.adapters.reports.values import clean, contrast, shown
from storewarden.domain.baseline.finding import AuditState, HostAudit
from storewarden.ports.reports import Language

EN = words(Language.EN)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "(not set)"),
        ("", "(not set)"),
        ([], "(none)"),
        ("  \t", "(not set)"),
        (0, "0"),
        (True, "yes"),
        (False, "no"),
        ("no", "no"),
        (["yes", "no"], "yes, no"),
        ({"runtime": "1", "persisted": None}, "runtime: 1\npersisted: (not set)"),
        ({"ports": [], "drop": True}, "ports: (none)\ndrop: yes"),
        ([{"runtime": "1", "persisted": None}], "runtime=1 persisted=(not set)"),
        ([{"port": 22, "proto": "tcp"}], "port=22 proto=tcp"),
        ("普通用户", "普通用户"),
    ],
)
def test_values_read_as_people_say_them(value: object, expected: str) -> None:
    assert shown(value, EN) == expected


def test_what_would_move_a_cursor_or_reorder_text_is_spelled_out() -> None:
    assert clean("a\x1b[2Jb") == "a\\x1b[2Jb"
    assert clean("a\r\nb") == "a\\r\\nb"
    assert clean("\u202egpj") == "\\u202egpj"
    assert clean("\ud800") == "\\ud800"
    assert clean("a b\tc ä 中") == "a b c ä 中"


def test_long_values_are_cut_and_say_so() -> None:
    assert shown("x" * 301, EN, limit=300) == "x" * 300 + "… (cut)"
    assert shown("x" * 300, EN, limit=300) == "x" * 300


@pytest.mark.parametrize(
    ("state", "message", "advice"),
    [
        (AuditState.UNREACHABLE, "ssh: connect to host x port 22: Connection timed out", "line"),
        (AuditState.UNREACHABLE, "ssh: connect to host x port 22: No route to host", "line"),
        (AuditState.UNREACHABLE, "Host key verification failed.", "hostkey"),
        (AuditState.UNREACHABLE, "root@x: Permission denied (publickey,password).", "login"),
        (AuditState.UNREACHABLE, "something new", "line"),
        (AuditState.FAILED, "/bin/sh: 1: /usr/bin/python3: not found", "python"),
        (AuditState.FAILED, "No python interpreters found for host x", "python"),
        (AuditState.FAILED, "sudo: a password is required", "sudo"),
        (AuditState.FAILED, "Missing sudo password", "sudo"),
        (AuditState.FAILED, "scp: write: No space left on device", "disk"),
        (AuditState.FAILED, "Timeout (12s) waiting for privilege escalation prompt", "timeout"),
        (AuditState.FAILED, "something new", "other"),
        (AuditState.SKIPPED, "busy: leased by change GMBG-20260301-001", "busy"),
        (AuditState.SKIPPED, "stopped before it was started", "cancelled"),
        (AuditState.UNKNOWN, "", "unknown"),
    ],
)
def test_the_message_of_a_missed_host_becomes_advice(
    state: AuditState, message: str, advice: str
) -> None:
    assert advice_for(HostAudit(host="x", state=state, message=message)) == advice
    assert f"advice_{advice}" in EN


def test_a_transition_shows_the_parts_that_differ_and_only_those() -> None:
    before = {"tcp_syncookies": "1", "accept_redirects": "0", "gone": "x"}
    after = {"tcp_syncookies": "0", "accept_redirects": "0", "new": "y"}
    assert contrast(before, after) == (
        {"tcp_syncookies": "1", "gone": "x"},
        {"tcp_syncookies": "0", "new": "y"},
    )
    assert contrast(["a"], ["a", "b"]) == (["a"], ["a", "b"])
    assert contrast({"a": 1}, {"a": 1}) == ({"a": 1}, {"a": 1})  # only the verdict changed
