# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor: facts in, lines out; what is wrong is said with what to do, in both languages."""

from __future__ import annotations

import ast
import json
import re
import sqlite3
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from storewarden.adapters.ledger import open_ledger
from storewarden.adapters.ledger.peek import schema_of
from storewarden.adapters.machine import LocalMachine
from storewarden.adapters.machine.collections import copies
from storewarden.cli import doctor as command
from storewarden.cli import doctor_words as words
from storewarden.cli.init import init
from storewarden.domain.errors import ConfigInvalid, LedgerConflict
from storewarden.flows import doctor as flow
from storewarden.flows.doctor import Check, Examination, examine
from storewarden.ports.machine import (
    CollectionCopy,
    FileFacts,
    MachineFacts,
    Places,
    Program,
)
from storewarden.ports.runner import FrozenInventory
from storewarden.testing.inventory import FixedInventory
from storewarden.testing.ledger import ManualClock
from storewarden.testing.machine import FixedMachine

ROOT = Path(__file__).resolve().parents[2]
PLACES = Places(state_dir=Path("/s"), ledger=Path("/s/ledger.sqlite"))
OURS = CollectionCopy(path=Path("/v/ops"), version="0.1.0", ours=True, plain=True)
GOOD = MachineFacts(
    python="3.12.1",
    executable="/v/bin/python",
    packages={"ansible-core": "2.21.5", "ansible-runner": "2.4.3"},
    programs={"ansible-playbook": Program(beside="/v/bin/ansible-playbook")},
    collections=(OURS,),
    ssh="OpenSSH_9.2p1",
    known_hosts=(
        FileFacts(key="", path=Path("/h/known_hosts"), exists=True, readable=True, size=9),
    ),
    state_writable=True,
    disk_free=5_000_000_000,
    now=datetime(2026, 1, 5, 12, tzinfo=UTC),
    zone="Asia/Shanghai",
    synchronised=True,
    encoding="utf-8",
)
DEVICE = {
    "sw_store": "000101", "sw_region": "east", "sw_role": "pos", "sw_ci": "POS-1",
    "sw_tier": "core", "sw_failure_groups": [], "sw_tz": "Asia/Shanghai", "sw_hours": "closed",
}  # fmt: skip


def problems(facts: MachineFacts, **wanted: object) -> list[Check]:
    wanted = {"places": PLACES, "zone_known": lambda name: name == "Asia/Shanghai"} | wanted
    checks = examine(Examination(**wanted), FixedMachine(facts))  # type: ignore[arg-type]
    return [check for check in checks if not check.ok]


def test_a_machine_in_order_has_no_problem() -> None:
    inventory = FixedInventory(FrozenInventory(hosts={"pos01": DEVICE}, source="x"))
    assert problems(GOOD, sources=(Path("x"),), inventory=inventory, probe=lambda _: "1") == []


def file(**facts: object) -> FileFacts:
    return FileFacts(key="secrets.x", path=Path("/h/pw"), **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "code", "mentions"),
    [
        ({"python": "3.11.9"}, "version_outside", ">= 3.12"),
        ({"packages": {"ansible-core": "2.19.4", "ansible-runner": "2.4.3"}}, "version_outside",
         ">= 2.20"),
        ({"packages": {"ansible-core": "2.21.5", "ansible-runner": "2.5.0"}}, "version_outside",
         "< 2.5"),
        ({"packages": {"ansible-core": "2.21.5"}}, "package_missing", "ansible-runner"),
        ({"programs": {"ansible-playbook": Program()}}, "program_missing", "/v/bin/python"),
        (
            {"programs": {"ansible-playbook": Program(beside="/v/bin/a", on_path="/usr/bin/a")}},
            "program_shadowed",
            "/usr/bin/a",
        ),
        ({"collections": ()}, "collection_missing", "make dev"),
        (
            {"collections": (
                CollectionCopy(path=Path("/h/ops"), version="0.0.9", plain=True),
                replace(OURS, plain=False),
            )},
            "collection_wins",
            "/h/ops",
        ),
        (
            {"collections": (OURS, CollectionCopy(path=Path("/h/ops"), version="0.0.9"))},
            "collection_second",
            "0.0.9",
        ),
        ({"ssh": ""}, "ssh_missing", "openssh-client"),
        ({"known_hosts": (FileFacts(key="", path=Path("/h/kh")),)}, "known_hosts_missing", "/h/kh"),
        ({"files": (file(),)}, "file_missing", "/h/pw"),
        ({"files": (file(exists=True, readable=True),)}, "file_open", "chmod 600 /h/pw"),
        ({"state_writable": False}, "state_not_writable", "/s"),
        ({"disk_free": 900_000_000}, "disk_low", "0.9 GB"),
        ({"ledger_kind": "other"}, "ledger_foreign", "/s/ledger.sqlite"),
        ({"synchronised": False}, "clock_drifts", "chrony"),
        ({"now": datetime(1970, 1, 1, tzinfo=UTC)}, "clock_insane", "1970"),
        ({"encoding": "ascii"}, "locale_not_utf8", "C.UTF-8"),
        ({"locale_problem": "unsupported locale setting"}, "locale_unknown", "unsupported"),
    ],
)  # fmt: skip
def test_each_problem_is_found_alone_and_says_what_to_do(
    change: dict[str, object], code: str, mentions: str
) -> None:
    (problem,) = problems(replace(GOOD, **change))  # type: ignore[arg-type]
    assert problem.code == code
    for language in ("en", "zh"):
        what, advice = command.said(problem, language)
        assert what
        assert advice
    assert mentions in " ".join(command.said(problem, "en"))


def test_a_ledger_that_does_not_open_is_a_problem() -> None:
    def probe(path: Path) -> str:
        raise LedgerConflict("was written by a newer storewarden", where=str(path))

    facts = replace(GOOD, ledger_kind="sqlite")
    (problem,) = problems(facts, probe=probe)
    assert "newer storewarden" in command.said(problem, "en")[0]
    assert problems(facts, probe=lambda _: "0003") == []


def test_an_inventory_that_does_not_parse_and_devices_that_miss_something() -> None:
    broken = FixedInventory(ConfigInvalid("no hosts", where="inv.yml"))
    (problem,) = problems(GOOD, sources=(Path("x"),), inventory=broken)
    assert command.said(problem, "en")[0] == "inv.yml: no hosts"
    hosts = FrozenInventory(hosts={"pos01": DEVICE, "pos02": DEVICE | {"sw_tz": ""}})
    (problem,) = problems(GOOD, sources=(Path("x"),), inventory=FixedInventory(hosts))
    said = command.said(problem, "en")[0]
    assert "2 findings on 1 hosts" in said
    assert "pos02: sw_tz" in said


def test_every_code_has_words_in_both_languages() -> None:
    sources = [Path(str(module.__file__)).read_text() for module in (flow, command)]
    strings = {
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(words.ENGLISH) == set(words.CHINESE)
    assert set(words.ENGLISH) <= strings
    for code, texts in words.ENGLISH.items():
        slots = [sorted(re.findall(r"\{\w+\}", text)) for text in texts]
        assert slots == [sorted(re.findall(r"\{\w+\}", text)) for text in words.CHINESE[code]], code


def test_the_versions_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={flow.PYTHON[0][0]}.{flow.PYTHON[0][1]}"
    for name, (least, below) in flow.VERSIONS.items():
        wanted = f"{name}>={least[0]}.{least[1]}" + (f",<{below[0]}.{below[1]}" if below else "")
        assert wanted in project["dependencies"]


# --- looking ----------------------------------------------------------------------------------


def collection(root: Path, version: str) -> Path:
    path = root / "ansible_collections/storewarden/ops"
    path.mkdir(parents=True)
    manifest = {"collection_info": {"version": version}}
    (path / "MANIFEST.json").write_text(json.dumps(manifest))
    return path


@pytest.fixture
def machine(tmp_path: Path) -> SimpleNamespace:
    """A home, a working folder and our own copy, where no stale copy is yet."""
    ours = tmp_path / "site-packages"
    collection(ours, "0.1.0")
    for name in ("home", "cwd"):
        (tmp_path / name).mkdir()
    environ = {"HOME": str(tmp_path / "home"), "PATH": str(tmp_path)}
    return SimpleNamespace(ours=ours, home=tmp_path / "home", cwd=tmp_path / "cwd", environ=environ)


def found(machine: SimpleNamespace, **environ: str) -> list[tuple[str, bool, bool]]:
    every = copies(machine.environ | environ, machine.cwd, [str(machine.ours)], machine.ours)
    mine = [copy for copy in every if copy.path.is_relative_to(machine.ours.parent)]
    return [(copy.version, copy.ours, copy.plain) for copy in mine]


def test_our_copy_alone(machine: SimpleNamespace) -> None:
    assert found(machine) == [("0.1.0", True, True)]


def test_a_stale_copy_at_home_wins_under_plain_ansible(machine: SimpleNamespace) -> None:
    collection(machine.home / ".ansible/collections", "0.0.9")
    assert found(machine) == [("0.0.9", False, True), ("0.1.0", True, False)]


@pytest.mark.parametrize("how", ["environment", "ansible.cfg"])
def test_a_search_path_that_is_set_replaces_the_one_at_home(
    machine: SimpleNamespace, how: str
) -> None:
    collection(machine.home / ".ansible/collections", "0.0.9")
    collection(machine.cwd / "vendor", "0.0.8")
    environ = {}
    if how == "environment":
        environ = {"ANSIBLE_COLLECTIONS_PATH": f"{machine.cwd}/vendor:{machine.cwd}/none"}
    else:
        text = "[defaults]\ncollections_path = vendor ; ours\n"
        (machine.cwd / "ansible.cfg").write_text(text)
    assert found(machine, **environ) == [
        ("0.0.8", False, True), ("0.1.0", True, False), ("0.0.9", False, False),
    ]  # fmt: skip


def test_a_link_to_our_copy_is_not_a_second_one(machine: SimpleNamespace) -> None:
    link = machine.home / ".ansible/collections"
    link.parent.mkdir()
    link.symlink_to(machine.ours)
    assert found(machine) == [("0.1.0", True, True)]


def test_looking_reports_files_and_creates_nothing(machine: SimpleNamespace) -> None:
    secret = machine.home / "vault"
    secret.write_text("x")
    secret.chmod(0o644)
    places = Places(
        state_dir=machine.home / "a/b",
        ledger=machine.home / "ledger",
        secrets={"secrets.vault_password_file": secret},
    )
    looker = LocalMachine(environ=machine.environ, cwd=machine.cwd, ours=machine.ours)
    facts = looker.look(places)
    assert facts.disk_free > 0
    assert facts.ledger_kind == "absent"
    assert [(f.exists, f.private) for f in facts.files] == [(True, False)]
    assert facts.ssh == ""  # nothing on this PATH
    assert facts.programs["ansible-playbook"].beside == str(
        Path(sys.executable).parent / "ansible-playbook"
    )
    assert sorted(path.name for path in machine.home.iterdir()) == ["vault"]
    places.ledger.write_bytes(b"no database")
    assert looker.look(places).ledger_kind == "other"
    places.ledger.write_bytes(b"SQLite format 3\0 and so on")
    assert looker.look(places).ledger_kind == "sqlite"


def test_a_ledger_is_looked_at_without_changing_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    open_ledger(path, clock=ManualClock(GOOD.now)).close()
    before = path.read_bytes()
    assert schema_of(path)
    assert path.read_bytes() == before
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerConflict, match="schema 9999, which this release does not know"):
        schema_of(path)
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    with pytest.raises(LedgerConflict, match="does not open as a ledger"):
        schema_of(path)


# --- the command -------------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    known = tmp_path / "known_hosts"
    known.write_text("host ssh-ed25519 AAAA\n")
    built = typer.Typer()
    built.command()(command.doctor)
    built.command()(init)
    return built


def test_a_new_site_passes_the_doctor(app: typer.Typer, tmp_path: Path) -> None:
    run = CliRunner()
    assert run.invoke(app, ["init", "site"]).exit_code == 0
    settings = tmp_path / "site/storewarden.yml"
    text = settings.read_text().replace("# known_hosts: ~/.ssh", "known_hosts: ..")
    settings.write_text(text)
    result = run.invoke(app, ["doctor", "--config", "site/storewarden.yml", "--json"])
    checks = {check["check"]: check for check in json.loads(result.stdout)["checks"]}
    for name in ("config", "python", "ansible-core", "ansible-runner", "collection", "known_hosts",
                 "disk", "ledger", "inventory", "estate"):  # fmt: skip
        assert checks[name]["ok"], checks[name]
    assert "5 devices in 2 stores" in checks["estate"]["what"]
    assert (result.exit_code == 0) is all(check["ok"] for check in checks.values())
    assert not (tmp_path / "state").exists()


def test_broken_settings_are_one_line_and_the_rest_is_still_checked(
    app: typer.Typer, tmp_path: Path
) -> None:
    (tmp_path / "storewarden.yml").write_text("audit:\n  forks: many\n")
    result = CliRunner().invoke(app, ["doctor", "--lang", "zh"])
    assert result.exit_code == 1
    first, *rest = result.stdout.splitlines()
    assert first.startswith("问题")
    assert "storewarden.yml:2: audit.forks" in first
    assert any("Python 3." in line for line in rest)
    assert rest[-1].endswith("项发现问题")


# --- tickets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("", "the ledger itself"),
        ("  system: roundap\n", "tickets.system: no ticket system of that name"),
        ("  system: roundup\n", "tickets.roundup.url: is missing"),
        (
            "  system: roundup\n  url: http://127.0.0.1:1\n  user: u\n  password: env:PW\n",
            "cannot be reached",
        ),
    ],
)
def test_the_ticket_system_is_asked(
    app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, words: str
) -> None:
    monkeypatch.setenv("PW", "geheim-4711")
    (tmp_path / "storewarden.yml").write_text(f"tickets:\n{section}")
    result = CliRunner().invoke(app, ["doctor", "--json"])
    checks = {check["check"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["tickets"]["ok"] is (section == "")
    assert words in checks["tickets"]["what"]
    assert "geheim" not in result.stdout
