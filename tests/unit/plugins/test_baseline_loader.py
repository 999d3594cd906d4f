# SPDX-License-Identifier: GPL-3.0-or-later
"""The loader: one clear line for every way a control file can be wrong, and its command line."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    UnknownSelection,
    load_catalogue,
    load_control,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_cases import (
    case_problem,
    run_case,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import (
    BadValue,
    fitted,
    prepare,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_yaml import (
    ControlError,
    read_document,
)
from tests.unit.plugins.baseline_host import ROOT

SCRIPT = ROOT / "plugins" / "plugin_utils" / "baseline_controls.py"
VARIABLES = {"x_min": 8, "x_specs": ["user=root,host=a,addr=10.0.0.1"], "x_template": "{{ y }}"}
GOOD = """\
---
id: Z01
title:
  en: At least {minlen} characters
  zh: 至少 {minlen} 位
severity: medium
risk: R1
guide: {section: "1.1.1", mark: S}
refs:
  mlps: ["1a"]
params:
  minlen: x_min
when:
  - check: {get: pkg, q: {names: [libpam-pwquality]}, expect: {present: true}}
    reason:
      en: none
      zh: 没有
check:
  get: kv
  q: {files: [/etc/x.conf], key: minlen}
  expect: {ge: {param: minlen}}
fix:
  group: pam
  kind: drop_in
  path: /etc/x.conf
  lines: ["minlen = {minlen}"]
cases:
  - name: enough
    files: {/etc/x.conf: "minlen = 8"}
    packages: {libpam-pwquality: "1"}
    verdict: pass
    value: "8"
"""


def _written(folder: Path, text: str, name: str = "Z01") -> Path:
    path = folder / f"{name}.yml"
    path.write_text(text, encoding="utf-8")
    return path


def _problems(folder: Path, text: str) -> list[tuple[int, str]]:
    path = _written(folder, text)
    try:
        load_control(path, VARIABLES)
    except ControlError as error:
        assert "\n" not in str(error)
        assert str(error).startswith(f"{path}:")
        return [(line, what) for _path, line, what in error.problems]
    return []


def test_a_good_file_has_no_problem(tmp_path: Path) -> None:
    assert _problems(tmp_path, GOOD) == []


WRONG: list[tuple[str, str, int, str]] = [
    ("severity: medium", "severity: grave", 6, "'grave' is not one of high"),
    ("severity: medium\n", "", 1, "severity is missing"),
    ("risk: R1", "risk: R9", 7, "R9"),
    ("mark: S", "mark: Q", 8, "'Q' is not one of S"),
    ('section: "1.1.1"', "section: 1.1", 8, "put it in quotes"),
    ("  zh: 至少 {minlen} 位\n", "", 3, "zh is missing"),
    ("zh: 至少 {minlen} 位", "zh: at least", 5, "no Chinese character"),
    ("{minlen} characters", "{lenmin} characters", 4, "{lenmin} is no declared parameter"),
    ('mlps: ["1a"]', "mlps: [1]", 10, "list of texts"),
    ('mlps: ["1a"]', 'iso: ["1a"]', 10, "unknown key"),
    ("minlen: x_min", "minlen: x_none", 12, "x_none has no default in any baseline role"),
    ("minlen: x_min", "minlen: x_template", 12, "is a template"),
    ("minlen: x_min", "minlen: x_min\n  other: x_min", 13, "never used"),
    ("get: kv", "get: kvv", 19, "no getter called kvv"),
    ("key: minlen}", "kee: minlen}", 20, "kv knows no q.kee"),
    (", key: minlen}", "}", 20, "kv needs q.key"),
    ("{ge: {param: minlen}}", "{gee: {param: minlen}}", 21, "no operator called gee"),
    ("{ge: {param: minlen}}", "{ge: {param: nope}}", 18, "parameter nope is not declared"),
    ("{ge: {param: minlen}}", "{ge: [8], le: {param: minlen}}", 21, "ge wants a number"),
    ("{ge: {param: minlen}}", "{}", 21, "at least one operator"),
    ("  expect: {ge: {param: minlen}}\n", "", 18, "expect is missing"),
    ("  get: kv\n", "  get: kv\n  all: []\n", 18, "exactly one of"),
    ("group: pam", "group: pan", 23, "'pan' is not one of"),
    ("kind: drop_in", "kind: magic", 24, "fix.kind: must be one of account"),
    ("  path: /etc/x.conf\n", "", 22, "path is missing"),
    ("verdict: pass", "verdict: fine", 31, "'fine' is not one of pass"),
    ("    verdict: pass\n", "", 28, "verdict is missing"),
    ('value: "8"', "velue: 8", 32, "unknown key"),
    ('value: "8"', "now: yesterday", 32, "ISO time"),
    ('value: "8"', "params: {maxlen: 1}", 32, "no declared parameter"),
    ("id: Z01", "id: Z02", 2, "must be the file's name"),
    ("id: Z01", "id: Z01\nid: Z01", 3, "a second time"),
    ("when:\n", "when: now\nwhat:\n", 14, "unknown key"),
    ("get: kv\n", "get: kv\n   label: a\n", 20, "broken YAML"),
    ("---\n", "---\n\t", 2, "broken YAML"),
    (GOOD, "", 1, "a control is a mapping"),
    (GOOD, "- a\n", 1, "a control is a mapping"),
]


@pytest.mark.parametrize(("old", "new", "line", "what"), WRONG)
def test_a_wrong_file_names_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, what: str
) -> None:
    assert old in GOOD
    problems = _problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(what in text for _line, text in problems), problems
    assert any(at == line for at, text in problems if what in text), problems


def test_all_problems_are_found_at_once_first_line_first(tmp_path: Path) -> None:
    text = GOOD.replace("risk: R1", "risk: R9").replace("get: kv", "get: kvv")
    problems = _problems(tmp_path, text)
    assert [line for line, _what in problems] == [7, 19]


@pytest.mark.parametrize(
    "check",
    [
        "{get: cmd, q: {argv: [reboot]}, expect: {present: true}}",
        "{get: cmd, q: {argv: [systemctl, stop, ssh]}, expect: {present: true}}",
        "{get: sql, q: {engine: sqlite, statement: DROP TABLE t}, expect: {present: true}}",
        '{get: lines, q: {files: [/x], match: "("}, expect: {present: true}}',
    ],
)
def test_a_control_that_could_act_or_never_match_is_refused(tmp_path: Path, check: str) -> None:
    start, end = GOOD.index("check:\n  get"), GOOD.index("fix:")
    text = GOOD[:start] + f"check: {check}\n" + GOOD[end:]
    assert _problems(tmp_path, text)


def test_unreadable_files_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "Z01.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(ControlError, match="not UTF-8"):
        read_document(tmp_path / "Z01.yml")
    with pytest.raises(ControlError, match="No such file"):
        read_document(tmp_path / "Z02.yml")


def test_yaml_traps_of_version_1_1_do_not_exist(tmp_path: Path) -> None:
    path = _written(tmp_path, "a: [no, on, 0600, 2026-01-31, 12:30, ~, true, 1.5, -3]\n")
    data = read_document(path).data["a"]
    assert data == ["no", "on", "0600", "2026-01-31", "12:30", None, True, 1.5, -3]


# -- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "default", "result"),
    [
        (12, 8, 12),
        ("12", 8, 12),
        (" -3 ", 8, -3),
        ("1.5", 8, 1.5),
        ("yes", False, True),
        ("False", True, False),
        (["a"], [], ["a"]),
        (("a",), [], ["a"]),
        ({1: "b"}, {}, {"1": "b"}),
        (22, "x", "22"),
        ([{"a": (1,)}], None, [{"a": [1]}]),
        (["22", 23], [8], [22, 23]),
        ([1, "2"], ["x"], ["1", "2"]),
        ([{"port": 1}], [{"port": 2, "proto": "tcp"}], [{"port": 1}]),
        ([1, "b"], [1, "a"], [1, "b"]),
    ],
)
def test_values_take_the_kind_of_the_default(value: Any, default: Any, result: Any) -> None:
    assert fitted("v", value, default) == result


@pytest.mark.parametrize(
    ("value", "default"),
    [
        ("many", 8),
        ([1], 8),
        (True, 8),
        ("a", ["b"]),
        (1, True),
        ("perhaps", True),
        ({}, []),
        (None, 8),
        (["sudo", ["wheel"]], ["sudo"]),
        (["ssh"], [22]),
        ([22], [{"port": 22}]),
    ],
)
def test_values_of_another_kind_are_refused_by_name(value: Any, default: Any) -> None:
    with pytest.raises(BadValue, match=r"my_variable(\[\d\])? must be a"):
        fitted("my_variable", value, default)


def test_parameters_are_filled_in_and_specs_reach_sshd() -> None:
    sshd = {"get": "sshd", "q": {"key": "port"}, "expect": {"all_in": {"param": "ports"}}}
    own = {"get": "sshd", "q": {"key": "port", "specs": []}, "expect": {"present": True}}
    control = {"id": "B01", "check": {"all": [sshd, {"not": {"any": [sshd, own]}}]}}
    specs = ["user=root,host=a,addr=10.0.0.1"]
    check = prepare(control, {"ports": [22], "connection_specs": specs})["check"]
    assert check["all"][0]["q"] == {"key": "port", "specs": specs}
    assert check["all"][0]["expect"] == {"all_in": [22]}
    assert check["all"][1]["not"]["any"][0]["q"]["specs"] == specs
    assert check["all"][1]["not"]["any"][1]["q"]["specs"] == []


# -- cases -------------------------------------------------------------------------------------


def test_a_case_that_is_wrong_is_told(tmp_path: Path) -> None:
    control = load_control(_written(tmp_path, GOOD), VARIABLES)
    case = dict(control.data["cases"][0])
    result = run_case(control.data, case, control.defaults)
    assert case_problem(case, result) is None
    for wrong in ({"verdict": "fail"}, {"value": "9"}, {"reason": "x"}):
        assert case_problem({**case, **wrong}, result)


def test_cases_override_parameters_and_reach_na_and_error(tmp_path: Path) -> None:
    control = load_control(_written(tmp_path, GOOD), VARIABLES)
    case = dict(control.data["cases"][0])

    def verdict(**changes: Any) -> str:
        changed = {key: one for key, one in {**case, **changes}.items() if one is not None}
        return str(run_case(control.data, changed, control.defaults)["verdict"])

    assert verdict(params={"minlen": 9}) == "fail"
    assert verdict(packages={}) == "na"
    assert verdict(packages=None) == "error"
    assert verdict(files={"/etc/x.conf": {"kind": "dir"}}) == "error"
    assert verdict(files={"/etc/x.conf": {"link": "y"}, "/etc/y": "minlen = 8"}) == "pass"


# -- catalogue and command line ----------------------------------------------------------------


def _run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """In a bare interpreter: the script needs PyYAML and nothing of Ansible."""
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.slow
def test_catalogue_as_json(tmp_path: Path) -> None:
    done = _run("--json", "--select", "A0*", "--select", "B01", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    ids = [one["id"] for one in answer["controls"]]
    assert ids == sorted(ids)
    assert "B01" in ids
    assert len(answer["content"]) == 64
    entry = answer["controls"][0]
    assert set(entry) == {
        "id", "family", "title", "severity", "risk", "guide",
        "refs", "scanners", "fix", "digest", "params",
    }  # fmt: skip
    assert set(entry["title"]) == set(entry["fix"]["text"]) == {"en", "zh"}
    assert all({"variable", "default"} == set(one) for one in entry["params"].values())


@pytest.mark.slow
def test_site_controls_bring_their_own_defaults(tmp_path: Path) -> None:
    text = GOOD.replace("minlen: x_min", "minlen: {variable: shop_min, default: 9}")
    _written(tmp_path, "family: shop\n" + text.removeprefix("---\n"))
    done = _run("--json", "--select", "Z*", "--extra", str(tmp_path), cwd=tmp_path)
    (entry,) = json.loads(done.stdout)["controls"]
    assert entry["family"] == "shop"
    assert entry["params"] == {"minlen": {"variable": "shop_min", "default": 9}}
    assert entry["title"]["en"] == "At least 9 characters"
    assert entry["fix"]["text"]["en"] == "write to /etc/x.conf: minlen = 9"
    assert "写入" in entry["fix"]["text"]["zh"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ({}, ["--select", "Q*"], "no control matches Q*"),
        ({}, ["--extra", "nowhere"], "nowhere:1: is no folder"),
        ({"Z01": "a: [\n"}, ["--extra", "."], "Z01.yml:2: broken YAML"),
        ({"Z01": "id: Z01\n"}, ["--extra", "."], "Z01.yml:1: title is missing"),
        ({"A01": "copy"}, ["--extra", "."], "A01 exists already in"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path, files: dict[str, str], arguments: list[str], message: str
) -> None:
    for name, text in files.items():
        shipped = ROOT / "roles/baseline_accounts/controls/A01.yml"
        _written(tmp_path, shipped.read_text() if text == "copy" else text, name)
    done = _run("--json", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_check_lists_every_problem(tmp_path: Path) -> None:
    _written(
        tmp_path, GOOD.replace("risk: R1", "risk: R9").replace("minlen: x_min", "minlen: nope")
    )
    done = _run("--check", "--extra", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.slow
def test_the_script_does_not_load_ansible(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import runpy, sys
        sys.argv = ["x", "--check"]
        try:
            runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
        except SystemExit as end:
            assert end.code == 0, end.code
        assert "ansible" not in sys.modules
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr


def test_selection_and_cache() -> None:
    catalogue = load_catalogue()
    assert load_catalogue() is catalogue
    assert {one.id[0] for one in catalogue.select(["B*"])} == {"B"}
    assert catalogue.select((), ["ssh"]) == catalogue.select(["B*"])
    assert catalogue.select() == catalogue.controls
    with pytest.raises(UnknownSelection, match="no family called web"):
        catalogue.select((), ["web"])


def test_the_content_hash_follows_the_files(tmp_path: Path) -> None:
    text = GOOD.replace("minlen: x_min", "minlen: {variable: shop_min, default: 9}")
    path = _written(tmp_path, text)
    first = load_catalogue([tmp_path]).content
    path.write_text(text.replace("default: 9", "default: 10"), encoding="utf-8")
    assert load_catalogue([tmp_path]).content != first
