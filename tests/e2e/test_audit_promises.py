# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of the operators' pages, each shown by the real command on this machine."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from pysqlite3 import dbapi2 as sqlite

from tests.e2e.audit_cli import LOCAL, PATIENCE, Done, Place, until

OWN = """---
id: S01
title: {en: The site's own rule, zh: 本单位的规则}
severity: medium
risk: R0
guide: {section: "1.1.1", mark: D}
refs: {mlps: ["1a"], cis_debian12: []}
scanners: {openscap: [], lynis: []}
check: {get: kv, q: {files: [FILE], key: minlen}, expect: {ge: 8}}
fix: {group: pam, kind: manual, how: {en: edit the file, zh: 修改文件}}
cases:
  - {name: long, files: {FILE: "minlen = 9\\n"}, verdict: pass}
  - {name: short, files: {FILE: "minlen = 7\\n"}, verdict: fail}
"""
ONE = ("--controls", "S01", "--quiet")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A site with one host and one control of its own, which fails."""
    made = Place(tmp_path)
    file = made.write("pwquality.conf", "minlen = 6\n")
    made.write("controls/S01.yml", OWN.replace("FILE", str(file)))
    made.settings(
        "inventory: [hosts.yml]\n"
        "audit: {fail_under: 0, controls_dirs: [controls], waivers_dir: waivers}\n"
    )
    (tmp_path / "waivers").mkdir()
    made.inventory(till1=f'{LOCAL}, sw_store: "000001", sw_region: 华东, sw_role: pos, sw_ci: C1')
    return made


def one_line(done: Done) -> str:
    (line,) = done.lines
    assert line.startswith("storewarden: ")
    return line


# -- the ledger --------------------------------------------------------------------


def test_verify_names_the_first_altered_entry_and_exits_1(place: Place) -> None:
    for _ in range(2):
        assert place.run("audit", *ONE).code == 0
    file = place.folder / "state/ledger.sqlite"
    with closing(sqlite.connect(str(file))) as raw, raw:
        raw.execute("DROP TRIGGER journal_no_update")
        raw.execute(
            "UPDATE journal SET body = CAST(replace(CAST(body AS TEXT), 'fail', 'pass') AS BLOB)"
            " WHERE sequence >= 4"
        )
    done = place.run("ledger", "verify")
    assert done.code == 1
    assert done.out.splitlines()[0] == "entry 4: altered: its hash does not fit its content"
    assert done.out.splitlines()[-1].startswith("PROBLEMS: ")
    assert done.err == ""


@pytest.mark.parametrize("argv", [("ledger", "verify"), ("report",)])
def test_reading_makes_no_ledger_where_one_is_gone(place: Place, argv: tuple[str, ...]) -> None:
    done = place.run(*argv)
    assert done.code == 2
    assert "there is no ledger" in one_line(done)
    assert not (place.folder / "state").exists()


def test_an_audit_killed_before_its_first_run_is_closed_by_the_next(place: Place) -> None:
    assert place.run("audit", *ONE).code == 0
    script = (
        "import os, signal; from pathlib import Path\n"
        "from storewarden.config import load_config\n"
        "from storewarden.wiring import AuditOptions, open_site\n"
        "site = open_site(load_config(None, os.environ, Path.cwd()))\n"
        "begin = site.ledger.begin_audit\n"
        "def killed(*a, **k):\n"
        "    begin(*a, **k); print(a[0], flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
        "site.ledger.begin_audit = killed\n"
        "site.audit(AuditOptions(controls=('S01',)))\n"
    )
    dead = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place.folder,
        env=place.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    left = dead.stdout.strip()
    assert left.startswith("audit-")
    assert json.loads(place.run("report", "--format", "json").out)["audit"]["id"] != left
    done = place.run("audit", "--controls", "S01")
    assert f"{left} was interrupted and left open: closed" in done.err
    report = json.loads(place.run("report", left, "--format", "json").out)
    assert report["audit"]["outcome"] == "interrupted"
    assert report["hosts"][0]["state"] == "unknown"
    assert place.run("ledger", "verify").code == 0


# -- waivers -----------------------------------------------------------------------


def waive(place: Place, *, zone: str) -> None:
    """A waiver whose last day is today in the zone that is the furthest behind."""
    today = datetime.now(UTC).astimezone(ZoneInfo("Etc/GMT+12")).date().isoformat()
    place.write(
        "waivers/till.yml",
        "control: S01\nscope: {regions: [华东]}\naccepted: '6'\n"
        "justification: old tills\ncompensating: own segment\nticket: CHG-1\n"
        f"approvers: [wang]\napproved: '{today}'\nexpires: '{today}'\n",
    )
    settings = yaml.safe_load((place.folder / "storewarden.yml").read_text())
    settings["site"] = {"timezone": zone}
    place.write("storewarden.yml", yaml.safe_dump(settings, allow_unicode=True))


def test_a_waiver_ends_with_its_day_in_the_sites_zone(place: Place) -> None:
    counted = {}
    for zone in ("Etc/GMT+12", "Pacific/Kiritimati"):  # 26 hours apart: never the same day
        waive(place, zone=zone)
        data = json.loads(place.run("audit", *ONE, "--format", "json").out)
        counted[zone] = (data["fleet"]["counts"]["waived"], data["fleet"]["counts"]["fail"])
    assert counted == {"Etc/GMT+12": (1, 0), "Pacific/Kiritimati": (0, 1)}
    assert "till.yml:1: the waiver of S01 expired" in data["warnings"][0]
    chinese = json.loads(place.run("report", "--lang", "zh", "--format", "json").out)["warnings"]
    assert "控制项 S01 的豁免已于" in chinese[0]
    assert any("未设置 sw_hours" in line for line in chinese)


def test_a_broken_waiver_stops_the_audit_with_file_and_line(place: Place) -> None:
    waive(place, zone="UTC")
    text = (place.folder / "waivers/till.yml").read_text()
    place.write("waivers/till.yml", text.replace("[华东]", "[华北]"))
    done = place.run("audit", *ONE)
    assert done.code == 2
    assert "till.yml:1" in one_line(done)
    assert "covers no device" in one_line(done)


# -- where output goes -------------------------------------------------------------


def test_a_device_or_pipe_is_written_into_never_replaced(place: Place) -> None:
    assert place.run("audit", *ONE).code == 0
    pipe = place.folder / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True)
    done = place.run("report", "--format", "json", "--output", str(pipe))
    text, _ = reader.communicate(timeout=PATIENCE)
    assert (done.code, json.loads(text)["schema"]) == (0, 1)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_keeps_pointing_at_the_report(place: Place) -> None:
    assert place.run("audit", *ONE).code == 0
    place.write("reports/today.json", "old")
    link = place.folder / "latest.json"
    link.symlink_to("reports/today.json")
    assert place.run("report", "--format", "json", "--output", str(link)).code == 0
    assert link.is_symlink()
    assert json.loads((place.folder / "reports/today.json").read_text())["schema"] == 1


def test_chinese_names_come_through_every_format(place: Place) -> None:
    chinese = f'{LOCAL}, sw_store: "徐汇<1>号店", sw_region: 华东, sw_role: 收银机, sw_ci: 设备-1'
    place.inventory(收银机01=chinese)
    assert place.run("audit", *ONE).code == 0
    for shape in ("table", "json", "html", "junit", "sarif"):
        done = place.run("report", "--format", shape)
        assert done.code == 0
        markup = shape in ("html", "junit")
        assert ("徐汇&lt;1&gt;号店" if markup else "徐汇<1>号店") in done.out
        assert ("<1>" in done.out) != markup


# -- words and signals -------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--controls", ""), "--controls: names no control"),
        (("--controls", " , "), "--controls: names no control"),
        (("--local", "-i", "hosts.yml"), "--local: audits this machine alone"),
        (("--local", "--limit", "till1"), "--local: audits this machine alone"),
    ],
)
def test_words_that_would_audit_something_else_are_refused(
    place: Place, argv: tuple[str, ...], said: str
) -> None:
    done = place.run("audit", *argv)
    assert done.code == 2
    assert said in one_line(done)


def test_a_password_in_a_setting_is_not_repeated(place: Place) -> None:
    place.settings("ledger: postgresql://storewarden:hunter2@db/ledger\n")
    done = place.run("report")
    assert done.code == 2
    assert "ledger" in one_line(done)
    assert "hunter2" not in done.err


def test_term_before_anything_ran_is_told_like_ctrl_c(place: Place) -> None:
    waits = place.write("inventory.sh", "#!/bin/sh\ntouch started\nexec sleep 300\n")
    waits.chmod(0o755)
    process = place.start("audit", "-i", str(waits))
    assert until(lambda: any(place.folder.rglob("started")))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, "storewarden: interrupted\n")


def test_two_audits_at_once_leave_each_other_alone(place: Place) -> None:
    slow = place.write("bin/slow", f'#!/bin/sh\nsleep 4\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    place.inventory(till1=f"ansible_connection: local, ansible_python_interpreter: {slow}")
    both = [place.start("audit", "--controls", "S01", "--format", "json") for _ in range(2)]
    ended = [process.communicate(timeout=PATIENCE) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    reports = [json.loads(out) for out, _ in ended]
    assert len({report["audit"]["id"] for report in reports}) == 2
    assert all(report["hosts"][0]["state"] == "audited" for report in reports)
    assert all("interrupted" not in err for _, err in ended)
    assert place.run("ledger", "verify").code == 0


# -- a new site --------------------------------------------------------------------


def test_a_new_site_is_audited_as_it_was_written(tmp_path: Path) -> None:
    """``init``, the devices made local, ``audit``: nothing else is needed."""
    place = Place(tmp_path)
    assert place.run("init", "site").code == 0
    site = Place(tmp_path / "site")
    settings = site.folder / "storewarden.yml"
    settings.write_text(f"{settings.read_text()}\nstate_dir: {tmp_path}/state\n")
    variables = site.folder / "inventory/group_vars/all.yml"
    kept = [line for line in variables.read_text().splitlines() if "ansible_" not in line]
    local = LOCAL.replace(", ", "\n")
    variables.write_text("\n".join([*kept, local, ""]))
    done = site.run("audit", "--controls", "A01", "--format", "json", "--fail-under", "0")
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["fleet"]["audited"] == 5
    assert {store["store"] for store in data["stores"]} == {"000101", "000102"}
    assert data["warnings"] == []
    limited = site.run("audit", "--controls", "A01", "--limit", "store_000102", "--since", "last")
    assert limited.code in (0, 1)
    assert "+08:00" in limited.out  # the template's zone, in the operator's report


def test_an_inventory_script_gets_the_variables_it_was_promised_and_plays_do_not(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_CMDB_TOKEN", "canary-5f1e")  # ANSIBLE_*: what Place passes on
    script = place.write(
        "cmdb.py",
        f"""#!{sys.executable}
import json, os
token = os.environ["ANSIBLE_CMDB_TOKEN"]
hosts = {{"till-1": {{"ansible_connection": "local", "seen": len(token)}}}}
print(json.dumps({{"all": {{"hosts": list(hosts)}}, "_meta": {{"hostvars": hosts}}}}))
""",
    )
    script.chmod(0o755)
    place.settings(f"inventory: [{script}]\n")
    refused = place.run("audit", "--controls", "A16")
    assert refused.code == 2
    assert "ANSIBLE_CMDB_TOKEN" in refused.err
    place.settings(f"inventory: [{script}]\nansible: {{pass_env: [ANSIBLE_CMDB_TOKEN]}}\n")
    done = place.run("audit", "--controls", "A16", "--fail-under", "0", "--format", "json")
    assert done.code == 0, done.err
    assert "canary-5f1e" not in done.out
    kept = [p for p in place.folder.rglob("*") if p.is_file() and p != script]
    assert not [p for p in kept if b"canary-5f1e" in p.read_bytes()]
