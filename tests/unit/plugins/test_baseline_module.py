# SPDX-License-Identifier: GPL-3.0-or-later
"""The module and its action plugin, run by the real ansible-playbook on this machine."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.baseline_host import ROOT

pytestmark = pytest.mark.slow  # starts Ansible for nearly every test

SENT_TO_HOSTS = sorted(
    [*ROOT.glob("plugins/module_utils/**/*.py"), *ROOT.glob("plugins/modules/*.py")]
)
PLAYBOOK = "storewarden.ops.baseline_audit"
CONTROL = """\
id: {name}
title:
  en: Setting of {name}
  zh: {name} 的设置
severity: low
risk: R0
guide: {{section: "0", mark: X}}
{params}check: {check}
fix:
  group: pam
  kind: manual
  how:
    en: set it
    zh: 设置
"""
LEAST = "params:\n  least: {variable: site_least, default: 8}\n"
KV = "{get: kv, q: {files: [/etc/x.conf], key: minlen}, expect: {ge: {param: least}}}"


def _play(
    folder: Path, variables: Mapping[str, Any], *more: str, hosts: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """One audit of this machine through ansible-playbook, results as JSON.

    ``hosts`` are names for this machine, each with variables of its own.
    """
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts or {"till": {}}}}))
    environment = {
        **os.environ,
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
    }
    tool = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [tool, PLAYBOOK, "-i", str(folder / "hosts.yml"), "-c", "local", "-v", *more]
    extra = {"ansible_python_interpreter": sys.executable, "ansible_become": False, **variables}
    return subprocess.run(
        [*command, "-e", json.dumps(extra)],
        capture_output=True, text=True, cwd=folder, env=environment, check=False, timeout=600,
    )  # fmt: skip


def _report(done: subprocess.CompletedProcess[str], host: str = "till") -> dict[str, Any]:
    start = f"ok: [{host}] => "
    line = next(one for one in done.stdout.splitlines() if one.startswith(start))
    result: dict[str, Any] = json.loads(line.removeprefix(start))
    return result


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return _site(tmp_path)


def _site(tmp_path: Path) -> Path:
    """A folder of a site's own controls and a root that they are evaluated against."""
    controls = tmp_path / "controls"
    controls.mkdir()
    hang = "{get: lines, q: {files: [/etc/slow], match: '(a+)+$'}, expect: {present: true}}"
    shown = "{get: lines, q: {files: [/etc/x.conf], match: '.*'}, expect: {present: true}}"
    for name, check in {"Z01": KV, "Z02": hang, "Z03": shown}.items():
        text = CONTROL.format(name=name, check=check, params=LEAST if check is KV else "")
        (controls / f"{name}.yml").write_text(text)
    etc = tmp_path / "root" / "etc"
    etc.mkdir(parents=True)
    (etc / "x.conf").write_text("minlen = 8\nrequirepass hunter2\n{{ lookup('pipe', 'id') }}\n")
    (etc / "slow").write_text("a" * 40 + "!\n")
    return tmp_path


def _settings(site: Path, **more: Any) -> dict[str, Any]:
    base = {
        "baseline_audit_controls": ["Z01", "Z02", "Z03"],
        "baseline_audit_extra_paths": [str(site / "controls")],
        "baseline_audit_root": str(site / "root"),
        "baseline_audit_probe_seconds": 4,
    }
    return {**base, **more}


def test_an_audit_through_ansible(site: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (site / "root").rglob("*")}
    done = _play(site, _settings(site))
    assert done.returncode == 0, done.stdout + done.stderr
    result = _report(done)
    audit = result["storewarden"]["audit"]
    verdicts = {one["id"]: one["verdict"] for one in audit["controls"]}
    assert verdicts == {"Z01": "pass", "Z02": "error", "Z03": "pass"}
    assert result["changed"] is False
    assert "till: 3 controls: 2 pass, 0 fail, 0 na, 1 error" in done.stdout
    assert "error: Z02" in done.stdout
    assert len(audit["bundle"]) == len(audit["content"]) == 64
    assert audit["counts"]["pass"] == 2
    assert set(audit) == {"bundle", "content", "controls", "counts", "ms", "python"}
    assert all(one["ms"] >= 0 for one in audit["controls"])
    assert audit["controls"][1]["reason"]["zh"].startswith("超时")
    assert "hunter2" not in done.stdout
    assert "{{ lookup('pipe', 'id') }}" in audit["controls"][2]["value"]
    after = {path: path.stat().st_mtime_ns for path in (site / "root").rglob("*")}
    assert after == before


LISTS = [
    ("Z01", ["Z01"]),
    ("Z01,Z0[23]", ["Z01", "Z02", "Z03"]),
    ('["Z01", "Z03"]', ["Z01", "Z03"]),
    ("[Z01, Z03]", ["Z01", "Z03"]),
    ("[]", None),
]
VALUES = [("9", "fail"), ("{{ 4 + 4 }}", "pass")]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"baseline_audit_controls": ["Q*"]}, "no control matches Q*"),
    ({"baseline_audit_controls": "[A01"}, "controls is no list of texts: '[A01'"),
    ({"baseline_audit_families": "[1]"}, "families is no list of texts"),
    ({"site_least": [1]}, "site_least must be a number like its default 8"),
    ({"site_least": "{{ nowhere }}"}, "site_least cannot be worked out"),
    ({"baseline_audit_extra_paths": ["{{ site_folder }}/broken"]}, "Z04.yml:3: broken YAML"),
]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """One play for every question about variables: a host each, for Ansible takes long to start."""
    site = _site(tmp_path_factory.mktemp("site"))
    (site / "broken").mkdir()
    (site / "broken" / "Z04.yml").write_text("id: Z04\ntitle: [\n")
    usual = _settings(site, baseline_audit_probe_seconds=0.5)
    alone = {**usual, "baseline_audit_controls": ["Z01"]}
    hosts: dict[str, Any] = {}
    for number, (text, _ids) in enumerate(LISTS):
        hosts[f"list{number}"] = {**usual, "baseline_audit_controls": text}
    for number, (value, _verdict) in enumerate(VALUES):
        hosts[f"value{number}"] = {**alone, "baseline_audit_probe_seconds": 60, "site_least": value}
    for number, (changes, _message) in enumerate(BAD):
        hosts[f"bad{number}"] = {**usual, **changes}
    hosts["list0"]["baseline_audit_extra_paths"] = str(site / "controls")
    return _play(site, {"site_folder": str(site)}, hosts=hosts)


@pytest.mark.parametrize("number", range(len(LISTS)))
def test_lists_may_come_as_text(played: subprocess.CompletedProcess[str], number: int) -> None:
    _text, ids = LISTS[number]
    audit = _report(played, f"list{number}")["storewarden"]["audit"]
    seen = [one["id"] for one in audit["controls"]]
    assert seen == ids if ids else len(seen) > 50


def test_text_comes_from_the_command_line(site: Path) -> None:
    settings = _settings(site)
    settings.pop("baseline_audit_controls")
    folders = settings.pop("baseline_audit_extra_paths")
    given = [
        'baseline_audit_controls=\'["Z01", "Z03"]\'',
        f"baseline_audit_extra_paths={folders[0]}",
    ]
    done = _play(site, settings, *[word for one in given for word in ("-e", one)])
    seen = [one["id"] for one in _report(done)["storewarden"]["audit"]["controls"]]
    assert seen == ["Z01", "Z03"]


def test_check_mode_looks_as_well(site: Path) -> None:
    checked = _play(site, _settings(site, baseline_audit_controls=["Z01"]), "--check")
    assert _report(checked)["storewarden"]["audit"]["controls"][0]["verdict"] == "pass"


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_variables_of_the_site_override_the_default(
    played: subprocess.CompletedProcess[str], number: int
) -> None:
    (control,) = _report(played, f"value{number}")["storewarden"]["audit"]["controls"]
    assert control["verdict"] == VALUES[number][1]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_bad_input_is_one_clear_line(played: subprocess.CompletedProcess[str], number: int) -> None:
    start = f"fatal: [bad{number}]: FAILED! => "
    line = next(one for one in played.stdout.splitlines() if one.startswith(start))
    assert BAD[number][1] in json.loads(line.removeprefix(start))["msg"]
    assert played.returncode != 0
    assert "Traceback" not in played.stdout + played.stderr


def test_all_shipped_controls_run_on_this_machine(tmp_path: Path) -> None:
    done = _play(tmp_path, {})
    assert done.returncode == 0, done.stdout + done.stderr
    audit = _report(done)["storewarden"]["audit"]
    assert sum(audit["counts"].values()) == len(audit["controls"]) >= 50
    odd = [one for one in audit["controls"] if "Error:" in str(one.get("reason", ""))]
    assert odd == [], "a getter broke instead of answering"


def test_the_module_refuses_controls_that_no_action_plugin_prepared(tmp_path: Path) -> None:
    arguments = {"ANSIBLE_MODULE_ARGS": {"controls": ["A01"]}}
    code = (
        "import sys; from ansible.module_utils.testing import patch_module_args\n"
        "from ansible_collections.storewarden.ops.plugins.modules import baseline_audit\n"
        f"with patch_module_args({arguments['ANSIBLE_MODULE_ARGS']!r}): baseline_audit.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert json.loads(done.stdout)["failed"] is True
    assert "not prepared" in json.loads(done.stdout)["msg"]


# -- what the oldest Python of a host understands ----------------------------------------------


@pytest.mark.parametrize("path", SENT_TO_HOSTS, ids=lambda path: path.stem)
def test_syntax_is_python_3_9(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 9))
    assert "from __future__ import annotations" in text
    assert not [node for node in ast.walk(tree) if type(node).__name__ in ("Match", "TryStar")]


@pytest.mark.parametrize("path", SENT_TO_HOSTS, ids=lambda path: path.stem)
def test_imports_are_standard_library_ansible_or_ours(path: Path) -> None:
    allowed = {"ansible", "ansible_collections", *sys.stdlib_module_names}
    if path.stem == "link_keeper":
        allowed.add("line_probe")  # a program of its own on the host, with this beside it
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {one.name.split(".")[0] for one in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert (node.module or "").split(".")[0] in allowed


def _old_python() -> str | None:
    homes = sorted(Path.home().glob(".pyenv/versions/3.9*/bin/python3.9"))
    found = [shutil.which("python3.9"), *map(str, homes)]
    for one in filter(None, found):
        if subprocess.run([one, "-c", ""], check=False, capture_output=True).returncode == 0:
            return one
    return None


@pytest.mark.skipif(_old_python() is None, reason="no Python 3.9 here")
def test_all_controls_run_under_python_3_9(tmp_path: Path) -> None:
    done = _play(tmp_path, {"ansible_python_interpreter": _old_python()})
    assert done.returncode == 0, done.stdout + done.stderr
    audit = _report(done)["storewarden"]["audit"]
    assert audit["python"].startswith("3.9")
    broken = [one for one in audit["controls"] if "Error:" in str(one.get("reason", ""))]
    assert broken == []


def test_documentation_is_complete(tmp_path: Path) -> None:
    tool = str(Path(sys.executable).with_name("ansible-doc"))
    done = subprocess.run(
        [tool, "-t", "module", "--json", "storewarden.ops.baseline_audit"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
        env={**os.environ, "ANSIBLE_HOME": str(tmp_path / "ansible")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = json.loads(done.stdout)["storewarden.ops.baseline_audit"]
    assert set(text["doc"]["options"]) == {
        "controls", "families", "extra_paths", "root", "probe_seconds", "total_seconds", "content",
        "summary", "report_as",
    }  # fmt: skip
    assert text["examples"]
    assert "storewarden" in text["return"]
