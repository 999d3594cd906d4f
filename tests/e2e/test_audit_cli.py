# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden audit` as a process: one line for what is wrong, nothing lost, one exit code."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.audit_cli import LOCAL, PATIENCE, Done, Place, interrupt, until

FEW = ("--controls", "A01,A03")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.settings("inventory: [hosts.yml]\naudit: {fail_under: 0}\n")
    made.inventory(till1=LOCAL, till2=LOCAL)
    return made


def only_line(done: Done) -> str:
    """The last line on stderr; everything on it is ours and there is no traceback."""
    assert "Traceback" not in done.err
    assert all(line.startswith("storewarden: ") for line in done.lines), done.err
    return done.lines[-1]


# -- what it is for ----------------------------------------------------------------


def test_an_audit_is_reported_recorded_and_shown_again(place: Place) -> None:
    made = place.run("audit", *FEW, "--format", "json", "--quiet")
    assert (made.code, made.err) == (0, "")
    data = json.loads(made.out)
    assert [host["state"] for host in data["hosts"]] == ["audited", "audited"]
    assert data["fleet"]["audited"] == 2
    again = place.run("report", "--format", "json")
    assert again.code == 0
    assert json.loads(again.out) == data
    checked = place.run("ledger", "verify")
    assert (checked.code, checked.out[:3]) == (0, "OK:")


def test_a_second_audit_shows_drift_only(place: Place) -> None:
    shadow = place.write("pwquality.conf", "minlen = 14\n")
    place.write("controls/S01.yml", own_control(shadow))
    place.settings("inventory: [hosts.yml]\naudit: {fail_under: 0, controls_dirs: [controls]}\n")
    first = place.run("audit", "--controls", "S01", "--since", "last")
    assert first.code == 0, first.err
    assert "first audit on record" in first.out
    shadow.write_text("minlen = 6\n")
    second = place.run("audit", "--controls", "S01", "--since", "last")
    assert second.code == 0, second.err
    assert "pass: 14" in second.out
    assert "fail: 6" in second.out
    assert second.out.count("unexplained") == 3  # the summary and both hosts
    assert "Worst controls" not in second.out


def own_control(file: Path) -> str:
    """A control of the site's own over one file."""
    return f"""---
id: S01
title: {{en: The site's own rule, zh: 本单位的规则}}
severity: high
risk: R0
guide: {{section: "1.1.1", mark: D}}
refs: {{mlps: ["1a"], cis_debian12: []}}
scanners: {{openscap: [], lynis: []}}
check: {{get: kv, q: {{files: [{file}], key: minlen}}, expect: {{ge: 8}}}}
fix: {{group: pam, kind: manual, how: {{en: edit the file, zh: 修改文件}}}}
cases:
  - name: long enough
    files: {{{file}: "minlen = 9\\n"}}
    verdict: pass
  - name: too short
    files: {{{file}: "minlen = 7\\n"}}
    verdict: fail
"""


def test_every_format_is_written_whole_to_a_file(place: Place) -> None:
    assert place.run("audit", *FEW, "--quiet").code == 0
    for shape in ("html", "junit", "sarif", "json", "table"):
        target = place.folder / f"report.{shape}"
        done = place.run("report", "--format", shape, "--output", str(target), "--lang", "zh")
        assert done.code == 0, done.err
        assert done.out == ""
        assert "till1" in target.read_text() or shape == "table"
    ET.parse(place.folder / "report.junit")  # noqa: S314 - our own
    assert json.loads((place.folder / "report.sarif").read_text())["version"] == "2.1.0"
    assert "配置基线合规报告" in (place.folder / "report.html").read_text()
    left = {path.name for path in place.folder.iterdir() if path.name.startswith(".report")}
    assert left == set()


def test_below_the_bar_is_1_and_the_report_is_there_all_the_same(place: Place) -> None:
    shadow = place.write("x.conf", "minlen = 6\n")
    place.write("controls/S01.yml", own_control(shadow))
    place.settings("inventory: [hosts.yml]\naudit: {controls_dirs: [controls]}\n")
    done = place.run("audit", "--controls", "S01")
    assert done.code == 1
    assert "missed" in done.out
    assert place.run("audit", "--controls", "S01", "--fail-under", "0").code == 0


def test_progress_is_lines_in_a_log_and_json_for_programs(place: Place) -> None:
    lines = place.run("audit", *FEW)
    assert "2 of 2 hosts" in lines.err
    assert "\x1b" not in lines.err + lines.out
    done = place.run("audit", *FEW, "--json")
    steps = [json.loads(line) for line in done.lines]
    assert [s["host"] for s in steps if s["step"] == "host"] != []
    assert steps[-1]["step"] == "ended"
    assert json.loads(done.out)["schema"] == 1


def test_on_a_terminal_progress_is_a_bar_that_leaves_nothing_behind(place: Place) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "storewarden"), "audit", *FEW],
        cwd=place.folder,
        env=place.environment() | {"TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    out, _ = process.communicate(timeout=PATIENCE)
    os.close(master)
    assert process.returncode == 0
    assert b"hosts" in seen
    assert b"2/2" in seen
    assert b"\x1b" not in out


def test_the_library_does_what_the_command_does(place: Place) -> None:
    script = (
        "import os; from pathlib import Path\n"
        "from storewarden.config import load_config\n"
        "from storewarden.wiring import AuditOptions, open_site\n"
        "with open_site(load_config(None, os.environ, Path.cwd())) as site:\n"
        "    report = site.audit(AuditOptions(controls=('A01',), limit='till1'))\n"
        "    print(report.scores.fleet.audited, report.limit)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place.folder,
        env=place.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("1 till1\n", 0), done.stderr


# -- bad input: one line, the right code, nothing started --------------------------


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--controls", "Z99"), "Z99"),
        (("--nonsense",), "--nonsense"),
        (("--format", "pdf"), "--format"),
        (("--fail-under", "many"), "--fail-under: 'many' is not a percentage"),
        (("--fail-under", "101"), "--fail-under"),
        (("--since", "yesterday"), "--since: the ledger has no audit 'yesterday'"),
        (("-i", "nowhere.yml"), "nowhere.yml: no such inventory"),
        (("--limit", "till9"), "till9"),
        (("--config", "nowhere.yml"), "nowhere.yml: no such file"),
        (("--output", "nowhere/report"), "no such folder"),
    ],
)
def test_wrong_words_are_one_line_and_2(place: Place, argv: tuple[str, ...], said: str) -> None:
    done = place.run("audit", "--quiet", *argv)
    assert done.code == 2
    assert len(done.lines) == 1
    assert said in only_line(done)
    assert done.out == ""


def test_a_broken_control_is_named_with_its_line(place: Place) -> None:
    broken = own_control(place.folder / "x").replace("severity: high", "severity: [high")
    place.write("controls/S01.yml", broken)
    place.settings("inventory: [hosts.yml]\naudit: {controls_dirs: [controls]}\n")
    done = place.run("audit")
    assert done.code == 2
    assert len(done.lines) == 1
    assert re.search(r"S01\.yml:\d+", only_line(done))


def test_no_inventory_is_2_and_names_the_ways_out(place: Place) -> None:
    place.settings()
    done = place.run("audit")
    assert done.code == 2
    assert "--local" in only_line(done)


@pytest.mark.parametrize("text", ["all:\n  hosts: {}\n", "all: [what\n", "all: {hosts: 5}\n"])
def test_an_empty_or_unparsed_inventory_is_refused_with_its_name(place: Place, text: str) -> None:
    place.write("hosts.yml", text)
    done = place.run("audit")
    assert done.code in (2, 3)
    assert len(done.lines) == 1
    assert "hosts.yml" in only_line(done)


def test_a_fleet_that_shrank_is_3(place: Place) -> None:
    place.inventory(**{f"till{n}": LOCAL for n in range(6)})
    assert place.run("audit", *FEW, "--quiet").code == 0
    place.inventory(till1=LOCAL)
    done = place.run("audit", *FEW)
    assert done.code == 3
    assert "--accept-shrunk" in only_line(done)
    assert place.run("audit", *FEW, "--accept-shrunk").code == 0


def test_a_broken_setting_is_named_with_its_line(place: Place) -> None:
    place.write("storewarden.yml", "site: {name: x}\naudit: {fail_underr: 5}\n")
    done = place.run("audit")
    assert done.code == 2
    assert "storewarden.yml:2" in only_line(done)


# -- hosts that cannot be audited --------------------------------------------------


def test_a_host_without_python_is_4_and_the_others_are_reported(place: Place) -> None:
    bad = "ansible_connection: local, ansible_python_interpreter: /nowhere/python3"
    place.inventory(till1=LOCAL, till2=bad)
    done = place.run("audit", *FEW)
    assert done.code == 4
    assert "till2: failed: " in done.err
    assert "Hosts that were not audited (1)" in done.out
    assert "Install Python 3" in done.out
    assert "Traceback" not in done.out + done.err


def test_sudo_that_asks_for_a_password_is_told(place: Place) -> None:
    sudo = place.write("bin/sudo", "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    sudo.chmod(0o755)
    asks = f"{LOCAL}, ansible_become_exe: {sudo}, ansible_become_user: daemon"
    place.inventory(till1=LOCAL, till2=asks)
    done = place.run("audit", *FEW)
    assert done.code == 4
    assert "become_password_file" in done.out
    assert "password is required" in done.out


# -- nothing that was obtained is lost ---------------------------------------------


def slow(place: Place) -> Path:
    """An interpreter that waits for the word ``go``: a host that takes its time."""
    folder = place.folder
    wait = f"until [ -e {folder}/go ] || [ ! -d {folder} ]; do sleep 0.1; done"
    path = place.write("bin/slow-python", f'#!/bin/sh\n{wait}\nexec {sys.executable} "$@"\n')
    path.chmod(0o755)
    return path


def go(place: Place) -> None:
    """The word that ``slow`` hosts wait for."""
    place.write("go", "")


def test_ctrl_c_keeps_reports_and_records_what_arrived(place: Place) -> None:
    late = f"ansible_connection: local, ansible_python_interpreter: {slow(place)}"
    place.inventory(till1=LOCAL, till2=late)
    process = place.start("audit", *FEW, "--progress", "json", "--format", "json")
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line).get("host") == "till1":
            break
    done = interrupt(process)
    assert done.code == 130
    data = json.loads(done.out)
    assert data["audit"]["outcome"] == "interrupted"
    assert data["hosts"][0]["state"] == "audited"
    assert data["hosts"][1]["state"] != "audited"
    again = place.run("report", "--format", "json")
    assert (again.code, again.err) == (0, "")
    recorded = json.loads(again.out)
    assert recorded["hosts"] == data["hosts"]
    assert recorded["audit"]["outcome"] == "interrupted"
    assert until(lambda: place.children() == []), place.children()


def test_ctrl_c_before_anything_ran_is_130_and_quiet(place: Place) -> None:
    waits = place.write("inventory.sh", "#!/bin/sh\nsleep 300\n")
    waits.chmod(0o755)
    process = place.start("audit", "-i", str(waits))
    assert until(lambda: _sleeps(waits))
    done = interrupt(process)
    assert done.code == 130
    assert done.lines == ["storewarden: interrupted"]


def _sleeps(script: Path) -> bool:
    found = subprocess.run(["pgrep", "-f", f"^/bin/sh {script}"], capture_output=True, check=False)
    return found.returncode == 0


def test_a_killed_audit_is_collected_by_the_next_one(place: Place) -> None:
    late = f"ansible_connection: local, ansible_python_interpreter: {slow(place)}"
    place.inventory(till1=LOCAL, till2=late)
    process = place.start("audit", *FEW, "--progress", "json")
    assert process.stderr is not None
    killed = ""
    for line in process.stderr:
        step = json.loads(line)
        killed = step["audit"]
        if step.get("host") == "till1":
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    go(place)
    place.inventory(till1=LOCAL, till2=LOCAL)
    done = place.run("audit", *FEW, "--progress", "lines")
    assert done.code == 0, done.err
    assert f"{killed} was interrupted: 2 of its hosts collected" in done.err
    earlier = json.loads(place.run("report", killed, "--format", "json").out)
    assert [host["state"] for host in earlier["hosts"]] == ["audited", "audited"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte and a half."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1536k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@needs_root
def test_a_full_disk_under_the_ledger_is_5_with_the_whole_report(
    place: Place, small_disk: Path
) -> None:
    settings = f"ledger: {small_disk}/ledger.sqlite\ninventory: [hosts.yml]\n"
    place.settings(f"{settings}audit: {{fail_under: 0}}\n")
    late = f"ansible_connection: local, ansible_python_interpreter: {slow(place)}"
    place.inventory(till1=LOCAL, till2=late)
    process = place.start("audit", *FEW, "--progress", "json", "--format", "json")
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line).get("host") == "till1":
            fill(small_disk / "ballast")
            break
    go(place)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5, err
    data = json.loads(out)
    assert [host["state"] for host in data["hosts"]] == ["audited", "audited"]
    assert data["audit"]["unrecorded"]
    assert "not recorded" in err
    assert "Traceback" not in err
    (small_disk / "ballast").unlink()
    assert place.run("audit", *FEW, "--quiet").code == 0
    kept = json.loads(place.run("report", data["audit"]["id"], "--format", "json").out)
    assert [host["state"] for host in kept["hosts"]] == ["audited", "audited"]


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb") as stream:
        try:
            while True:
                os.write(stream.fileno(), b"\0" * 4096)
        except OSError:
            return


def test_a_reader_that_goes_away_is_no_fault(place: Place) -> None:
    long = {f"till{n}": LOCAL for n in range(8)}  # with all controls more than a pipe holds
    place.inventory(**long)
    assert place.run("audit", "--accept-shrunk", "--quiet").code in (0, 1)
    done = subprocess.run(
        ["bash", "-c", "storewarden report --format json | head -c 2; echo ${PIPESTATUS[0]}"],
        cwd=place.folder,
        env=place.environment() | {"PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "{\n141\n"


def test_a_report_that_cannot_be_written_is_5_and_says_where_it_still_is(place: Place) -> None:
    target = place.folder / "gone"
    target.mkdir()
    late = f"ansible_connection: local, ansible_python_interpreter: {slow(place)}"
    place.inventory(till1=late)
    process = place.start("audit", *FEW, "--output", str(target / "report"), "--progress", "json")
    assert process.stderr is not None
    process.stderr.readline()
    target.rmdir()
    go(place)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5
    assert "storewarden report audit-" in err
    assert place.run("report").code == 0


def test_a_fault_of_ours_is_one_line_and_a_file(place: Place) -> None:
    """The catalogue of words is gone from a broken installation."""
    script = (
        "import sys, storewarden.cli.app as app\n"
        "def broken(): raise ZeroDivisionError('seven')\n"
        "app.app.command('broken')(broken)\n"
        "from storewarden.cli.guard import guarded\n"
        "sys.exit(guarded(['broken']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=place.folder,
        env=place.environment() | {"TMPDIR": str(place.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 70
    (line,) = done.stderr.splitlines()
    assert "ZeroDivisionError: seven" in line
    (kept,) = place.folder.glob("storewarden-fault-*.txt")
    assert str(kept) in line
    assert kept.stat().st_mode & 0o077 == 0
    assert "Traceback" in kept.read_text()


# -- this machine alone ------------------------------------------------------------


def test_local_needs_no_inventory_and_no_settings(place: Place) -> None:
    place.settings()
    done = place.run("audit", "--local", "--controls", "A01", "--fail-under", "0")
    assert done.code == 0, done.err
    assert "this machine" in done.out


def test_local_without_root_says_what_it_could_not_see(place: Place) -> None:
    """An ordinary user cannot read the shadow file: an error, never a pass."""
    as_user = _as_ordinary_user(place)
    home = place.folder / "home"
    home.mkdir()
    if os.geteuid() == 0:
        os.chown(home, _NOBODY, _NOBODY)
    words = ["audit", "--local", "--controls", "A14", "--format", "json", "--progress", "none"]
    done = subprocess.run(
        [*as_user, str(Path(sys.executable).parent / "storewarden"), *words],
        cwd=home,
        env=place.environment() | {"HOME": str(home), "ANSIBLE_HOME": str(home / "ansible")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not root" in done.stderr
    (finding,) = json.loads(done.stdout)["hosts"][0]["findings"]
    assert finding["verdict"] == "error"
    assert done.returncode == 1


_NOBODY = 65534


def _as_ordinary_user(place: Place) -> list[str]:
    """Words before a command that take root away; skips where nobody else can run our Python."""
    if os.geteuid() != 0:
        return []
    place.folder.chmod(0o755)
    drop = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    probe = [*drop, "sh", "-c", f"cd {place.folder} && exec {sys.executable} -c ''"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("no ordinary user can reach this Python and the test's folder")
    return drop
