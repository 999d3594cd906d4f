# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluator: laws of its logic, what leaves the host, and what a hanging probe does."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evaluate import (
    audit,
    conjunction,
    disjunction,
    evaluate_control,
    negation,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evidence import (
    LIMIT,
    evidence,
    hashed,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_cases import CaseSystem
from tests.unit.plugins.baseline_host import Bench

VERDICT = st.sampled_from(["pass", "fail", "error", "manual"])
VERDICTS = st.lists(VERDICT, min_size=1, max_size=6)
SEEN = st.lists(st.sampled_from(["pass", "fail"]), min_size=1, max_size=6)


@given(VERDICTS)
def test_de_morgan(verdicts: list[str]) -> None:
    assert negation(conjunction(verdicts)) == disjunction([negation(one) for one in verdicts])


@given(VERDICTS, st.randoms(use_true_random=False))
def test_order_does_not_matter(verdicts: list[str], random: Any) -> None:
    shuffled = list(verdicts)
    random.shuffle(shuffled)
    assert conjunction(shuffled) == conjunction(verdicts)
    assert disjunction(shuffled) == disjunction(verdicts)


@given(VERDICTS, VERDICTS)
def test_nesting_does_not_matter(left: list[str], right: list[str]) -> None:
    assert conjunction([conjunction(left), conjunction(right)]) == conjunction(left + right)
    assert disjunction([disjunction(left), disjunction(right)]) == disjunction(left + right)


@given(SEEN)
def test_what_was_seen_is_plain_logic(verdicts: list[str]) -> None:
    truths = [one == "pass" for one in verdicts]
    assert (conjunction(verdicts) == "pass") == all(truths)
    assert (disjunction(verdicts) == "pass") == any(truths)


@given(VERDICTS)
def test_what_could_not_be_seen_never_makes_a_pass(verdicts: list[str]) -> None:
    unseen = [*verdicts, "error"]
    assert conjunction(unseen) in ("fail", "error")
    assert disjunction(unseen) in ("pass", "error")
    assert (disjunction(unseen) == "pass") == ("pass" in verdicts)


def _value(given_value: Any, expect: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"get": "value", "q": {"of": given_value}, "expect": expect, **more}


def _result(check: dict[str, Any], **more: Any) -> dict[str, Any]:
    return evaluate_control(CaseSystem({}), {"id": "A01", "check": check, **more})


def test_labels_name_the_parts_of_a_composite() -> None:
    check = {
        "all": [
            _value("1", {"eq": "1"}, label="first"),
            {"any": [_value("2", {"eq": "x"}, label="second"), _value("3", {"eq": "3"})]},
            {"not": _value("4", {"eq": "x"})},
        ]
    }
    result = _result(check)
    assert result["verdict"] == "pass"
    assert result["value"] == {"first": "1", "second": "2", "value": "3", "value (2)": "4"}


def test_na_carries_the_reason_and_what_was_seen() -> None:
    reason = {"en": "no such thing", "zh": "没有"}
    when = [{"check": _value([], {"present": True}), "reason": reason}]
    result = _result(_value(1, {"eq": 1}), when=when)
    assert (result["verdict"], result["reason"], result["value"]) == ("na", reason, [])


def test_a_condition_that_cannot_be_looked_at_is_an_error_not_na() -> None:
    reason = {"en": "no auditd", "zh": "无"}
    condition = {"get": "audit_rules", "q": {"view": "loaded"}, "expect": {"present": True}}
    result = _result(_value(1, {"eq": 1}), when=[{"check": condition, "reason": reason}])
    assert result["verdict"] == "error"
    assert "auditctl is not installed" in result["reason"]["en"]
    assert "缺少命令" in result["reason"]["zh"]


def test_field_picks_from_each_mapping() -> None:
    rows = [{"max": 90, "name": "a"}, {"name": "b"}]
    assert _result(_value(rows, {"all_le": 90}, field="max"))["verdict"] == "fail"
    assert _result(_value(rows, {"all_match": "^[ab]$"}, field=["nick", "name"]))["verdict"] == (
        "pass"
    )


def test_an_unknown_getter_or_operator_is_an_error_of_that_control_alone() -> None:
    controls = [
        {"id": "X1", "check": {"get": "telepathy", "q": {}, "expect": {"eq": 1}}},
        {"id": "X2", "check": _value(1, {"resembles": 1})},
        {"id": "X3", "check": _value(1, {"eq": 1})},
    ]
    report = audit(CaseSystem({}), controls)
    assert [one["verdict"] for one in report["controls"]] == ["error", "error", "pass"]
    assert report["counts"] == {"pass": 1, "fail": 0, "na": 0, "error": 2, "manual": 0}


def test_the_bundle_tells_parameters_apart() -> None:
    first = audit(CaseSystem({}), [{"id": "A01", "check": _value(1, {"ge": 8})}])
    again = audit(CaseSystem({}), [{"id": "A01", "check": _value(1, {"ge": 8})}])
    other = audit(CaseSystem({}), [{"id": "A01", "check": _value(1, {"ge": 9})}])
    assert first["bundle"] == again["bundle"] != other["bundle"]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("requirepass hunter2hunter2", "hunter2hunter2"),
        ("password=hunter2", "hunter2"),
        ("db_password = 'hun ter2'", "hun ter2"),
        ('api_key: "hunter2"', "hunter2"),
        ("root:$6$saltsalt$abcdefghijklmnop:1::", "abcdefghijklmnop"),
        (
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
            "X3DX6M94c7o",
        ),
        ("postgres://app:hunter2@db/shop", "hunter2"),
        ("enable secret 9 $9$abcdefgh$ijklmnop", "ijklmnop"),
        ("snmp-server community hunter2 RO", "hunter2"),
    ],
)
def test_secrets_are_hashed(text: str, secret: str) -> None:
    shown = json.dumps(evidence({"line": [text]}))
    assert secret not in shown
    assert "sha256:" in shown


@pytest.mark.parametrize(
    "text",
    [
        "password requisite pam_pwquality.so retry=3",
        "passwd: files systemd",
        "/etc/pam.d/common-password: password required pam_pwhistory.so",
        "permitrootlogin prohibit-password",
        "PasswordAuthentication no",
        "-w /etc/passwd -p wa -k identity",
        "PASS_MAX_DAYS 90",
    ],
)
def test_settings_about_passwords_stay_readable(text: str) -> None:
    assert evidence(text) == text


def test_the_same_secret_hashes_the_same_so_that_a_change_shows() -> None:
    assert evidence("password=a1") == evidence("password=a1") != evidence("password=a2")
    assert evidence(evidence("password=a1")) == evidence("password=a1")
    assert evidence({"requirepass": "x"}) == {"requirepass": hashed("x")}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=20), inner),
        max_leaves=60,
    )
)
def test_evidence_is_always_small_json(value: Any) -> None:
    shown = evidence(value)
    assert len(json.dumps(shown, ensure_ascii=False, allow_nan=False).encode()) <= LIMIT


@pytest.mark.parametrize(
    "value",
    [["x" * 50] * 500, "长" * 5000, {f"k{n}": "v" * 40 for n in range(300)}, {"k" * 5000: 1}],
)
def test_cut_evidence_says_so(value: Any) -> None:
    shown = json.dumps(evidence(value), ensure_ascii=False)
    assert len(shown.encode()) <= LIMIT
    assert "[cut, sha256:" in shown


def test_a_change_behind_the_cut_is_still_another_value() -> None:
    ports = [{"port": number, "process": "x" * 30} for number in range(200)]
    moved = [*ports[:-1], {"port": 4444, "process": "implant"}]
    assert evidence(ports) != evidence(moved)
    assert evidence({"open": ports, "n": 1}) != evidence({"open": moved, "n": 1})
    assert evidence("a" * 9000) != evidence("a" * 8999 + "b")


# -- deadlines ---------------------------------------------------------------------------------


def _unit_control(name: str) -> dict[str, Any]:
    check = {"get": "unit", "q": {"name": "x"}, "field": "active", "expect": {"eq": "active"}}
    return {"id": name, "check": check}


@pytest.mark.slow
def test_a_hanging_command_is_one_error_and_the_rest_goes_on(bench: Bench) -> None:
    bench.script("systemctl", f"sleep 600 & echo $! $$ >> {bench.root}/pids; sleep 601").files(
        {"/proc/sys/kernel/x": "1\n"}
    )
    other = {
        "id": "C01",
        "check": {
            "get": "sysctl",
            "q": {"key": "kernel.x"},
            "field": "runtime",
            "expect": {"eq": 1},
        },
    }
    report = audit(
        # long enough for a busy machine to start the command before its time is over
        bench.system(probe_seconds=6.0),
        [_unit_control("E01"), other, _unit_control("E09")],
    )
    verdicts = {one["id"]: one["verdict"] for one in report["controls"]}
    assert verdicts == {"E01": "error", "C01": "pass", "E09": "error"}
    assert "timeout: systemctl" in report["controls"][0]["reason"]["en"]
    pids = (bench.root / "pids").read_text().split()
    assert len(pids) == 2, "the second control that needs the hanging command must not run it again"
    for pid in pids:
        assert _ends(pid), "the command's whole process group must be gone"


def _ends(pid: str) -> bool:
    """Gone, or dead and waiting for its parent to notice; a kill takes the kernel a moment."""
    status = Path("/proc", pid, "status")
    deadline = time.monotonic() + 120.0
    while time.monotonic() < deadline:
        try:
            if "State:\tZ" in status.read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.slow
def test_the_total_deadline_ends_the_audit_with_errors_not_with_silence(bench: Bench) -> None:
    bench.script("slow", "sleep 600")
    for name in ("nft", "auditctl", "ss"):
        bench.script(name, "sleep 600")
    controls = [
        {
            "id": "X1",
            "check": {"get": "nft", "q": {"view": "counters"}, "expect": {"present": True}},
        },
        {"id": "X2", "check": {"get": "audit_rules", "q": {}, "expect": {"present": True}}},
        {"id": "X3", "check": {"get": "listen", "q": {}, "expect": {"present": True}}},
    ]
    started = time.monotonic()
    report = audit(bench.system(probe_seconds=0.6, total_seconds=1.0), controls)
    assert time.monotonic() - started < 300
    assert [one["verdict"] for one in report["controls"]] == ["error"] * 3
    assert "used up" in report["controls"][2]["reason"]["en"]


@pytest.mark.slow
def test_a_regular_expression_that_never_ends_is_interrupted(bench: Bench) -> None:
    bench.files({"/etc/x": "a" * 40 + "!\n"})
    check = {
        "get": "lines",
        "q": {"files": ["/etc/x"], "match": "(a+)+$"},
        "expect": {"present": True},
    }
    result = evaluate_control(bench.system(probe_seconds=0.5), {"id": "X1", "check": check})
    assert result["verdict"] == "error"
    assert "timeout" in result["reason"]["en"]


def test_a_background_child_that_keeps_the_output_open_does_not_hold_the_audit(
    bench: Bench,
) -> None:
    bench.script("ss", "echo 'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*'; setsid sleep 120 &")
    started = time.monotonic()
    assert bench.look("listen")[0]["port"] == 22
    assert time.monotonic() - started < 60


def test_endless_output_is_cut_off(bench: Bench) -> None:
    bench.script("ss", "yes")
    check = {"get": "listen", "q": {}, "expect": {"present": True}}
    result = evaluate_control(bench.system(), {"id": "X1", "check": check})
    assert result["verdict"] == "error"
    assert "ss wrote more than" in result["reason"]["en"]


def test_commands_get_no_input_and_a_plain_environment(bench: Bench) -> None:
    bench.script("ss", 'cat; echo "tcp LISTEN 0 0 0.0.0.0:$(test "$LC_ALL" = C && echo 1) *"')
    assert bench.look("listen")[0]["port"] == 1
