# SPDX-License-Identifier: GPL-3.0-or-later
"""Files, SQLite and Redis from the role that prepares a host to the set that is removed, each way
by `storewarden` itself on a lab host: taken, copied, read, rehearsed, restored, undone, expired.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from storewarden.domain.backup.catalog import BackupSet, Target
from storewarden.domain.backup.catalog_events import CopySeen, SetFound
from storewarden.domain.backup.policy import Level, SetKind
from tests.e2e.audit_cli import Done, Place
from tests.e2e.change_service import PEOPLE, Service, serving
from tests.lab.fixtures import built
from tests.lab.fleet import Lab, LabHost
from tests.lab.shape import connection
from tests.lab.software_layer import WEB

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.full]

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a-secret-of-the-till-4711"
REDIS_PASSWORD = "a-secret-of-redis-4712"
STATE = "/var/lib/storewarden/backup"
BASE = "/srv/pos/pos.db"
UNIT = "pos-demo.service"
METHODS = ("files", "sqlite", "redis")
_SOURCES: dict[str, dict[str, Any]] = {
    "files": {"paths": ["/srv/till"], "settled": 0},
    "sqlite": {"paths": [BASE], "unit": UNIT, "heartbeat": {"table": "sale", "column": "at"}},
    "redis": {"unit": "redis-server", "heartbeat": {"key": "beat"}},
}
_ROLES = {
    "files": {"paths": ["/srv/till"], "settled": 0},
    "sqlite": {"paths": [BASE]},
    "redis": {"account_password": REDIS_PASSWORD},
}
_PROGRAM = """\
import sqlite3, sys, time
base = sqlite3.connect("/srv/pos/pos.db", isolation_level=None)
base.execute("PRAGMA journal_mode = WAL")
base.execute("CREATE TABLE IF NOT EXISTS sale (id INTEGER PRIMARY KEY, at REAL, cents INTEGER)")
if sys.argv[1:] == ["sell"]:
    for number in range(500):
        base.execute("INSERT INTO sale (at, cents) VALUES (?, ?)", (time.time(), number))
elif sys.argv[1:] == ["spoil"]:
    base.execute("UPDATE sale SET cents = cents + 1")
elif sys.argv[1:] == ["held"]:
    print(base.execute("SELECT COUNT(*), SUM(cents), SUM(at) FROM sale").fetchall())
else:
    while True:
        base.execute("SELECT COUNT(*) FROM sale").fetchone()
        time.sleep(1)
"""
_LAY_OUT = f"""\
set -e
mkdir -p /srv/till /srv/pos
echo sold > /srv/till/journal
head -c 3000000 /dev/urandom > /srv/till/pictures
chown daemon:daemon /srv/till/journal; chmod 0640 /srv/till/journal
cat > /opt/pos-demo.py <<'END'
{_PROGRAM}END
cat > /etc/systemd/system/{UNIT} <<'END'
[Service]
ExecStart=/usr/bin/python3 /opt/pos-demo.py
END
python3 /opt/pos-demo.py sell
systemctl daemon-reload
systemctl start {UNIT}
printf 'requirepass {REDIS_PASSWORD}\\n' >> /etc/redis/redis.conf
systemctl restart redis-server
mkdir -p /mnt/second
mount -t tmpfs tmpfs /mnt/second
"""
_ASK_REDIS = f"REDISCLI_AUTH={REDIS_PASSWORD} redis-cli --no-auth-warning"
_FILL_REDIS = (
    f"for n in $(seq 1 300); do echo SET till:$n price-$n; done | {_ASK_REDIS} > /dev/null; "
    f"{_ASK_REDIS} SET beat $(date +%s)"
)
# What production holds, in words that are equal when it is.
_HELD = {
    "files": "cd /srv/till && find . -type f -exec sha256sum {} + | sort && stat -c '%U %a' *",
    "sqlite": "python3 /opt/pos-demo.py held",
    "redis": f"{_ASK_REDIS} DBSIZE; {_ASK_REDIS} MGET till:1 till:77 till:300 beat",
}
_SPOIL = {
    "files": "echo wrong > /srv/till/journal; rm /srv/till/pictures",
    "sqlite": "python3 /opt/pos-demo.py spoil",
    "redis": f"{_ASK_REDIS} DEL till:77; {_ASK_REDIS} SET till:1 wrong",
}


class Chain:
    """A site of one till with its service."""

    def __init__(self, place: Place, host: LabHost, service: Service) -> None:
        self.place, self.host, self.service = place, host, service

    def run(self, *words: str, person: str = "", code: int = 0) -> Done:
        """One call, which has to end with ``code`` and to tell no secret."""
        token = ("--token-file", str(self.service.token_file(person))) if person else ()
        done = self.place.run(*words, *token)
        assert done.code == code, f"{words}: {done.code}\n{done.out}\n{done.err}"
        for secret in (PASSWORD, REDIS_PASSWORD):
            assert secret not in done.out + done.err
        return done

    def told(self, *words: str, person: str = "", code: int = 0) -> Any:
        """What a call says for programs."""
        return json.loads(self.run(*words, "--json", person=person, code=code).out)

    def taken(self, policy: str) -> str:
        """A new set, copied; its name."""
        (one,) = self.told("backup", "run", self.host.name, "--policy", policy)
        self.run("backup", "copy", one["set"])
        return str(one["set"])

    def held(self, method: str) -> str:
        """What production has."""
        return self.host.run(_HELD[method], user="root").stdout

    def spoil(self, method: str) -> None:
        """Somebody's mistake."""
        self.host.run(_SPOIL[method], user="root")

    def play(self, book: str, **variables: object) -> subprocess.CompletedProcess[str]:
        """Plain `ansible-playbook`, as somebody without a controller has it."""
        values = self.place.write("values.json", json.dumps(variables))
        return subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"), book,
                "-i", str(self.place.folder / "hosts.yml"), "-e", f"@{values}",
            ],
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            cwd=ROOT, check=False, capture_output=True, text=True, timeout=600,
        )  # fmt: skip

    def change(self) -> str:
        """An approved change over the till, with a window that is open now."""
        now = datetime.now(UTC)
        begin, end = now - timedelta(hours=1), now + timedelta(hours=11)
        window = f"{begin.isoformat()}/{end.isoformat()}"
        asked = self.run(
            "change", "new", "--summary", "bring the data back", "--kind", "standard",
            "--risk", "low", "--reason", "they are wrong", "--host", self.host.name,
            "--plan", "storewarden restore", "--rollback", "the set of before",
            "--rollback-when", "it differs", "--rollback-by", "op.one",
            "--operation", "service-recovery", "--window", window, person="op.one",
        )  # fmt: skip
        found = re.match(r"GMBG-\d{8}-\d{3}", asked.out)
        assert found, asked.out
        self.run("change", "approve", found[0], person="head")
        return found[0]


@pytest.fixture(scope="module")
def till(lab: Lab) -> Iterator[LabHost]:
    host = next((host for host in lab.hosts if host.role == "pos"), lab.hosts[0])
    host.reset(above=built(WEB))
    host.run(_LAY_OUT, user="root")
    host.run(_FILL_REDIS, user="root")
    yield host
    host.run("umount /mnt/second; true", user="root", check=False)
    host.reset()


@pytest.fixture(scope="module")
def chain(till: LabHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    place = Place(tmp_path_factory.mktemp("site"))
    _lay_out(place, till)
    with serving(place.folder) as service:
        made = Chain(place, till, service)
        _prepared(made)
        yield made


def _lay_out(place: Place, host: LabHost) -> None:
    variables = {
        "ansible_host": host.address, "sw_store": "000001", "sw_region": "east", "sw_role": "pos",
        "sw_ci": "CI-1", "sw_tier": "ordinary", "sw_failure_groups": [], "sw_tz": "Asia/Shanghai",
        "sw_hours": "closed",
    }  # fmt: skip
    hosts = {"all": {"vars": connection(host.lab.places), "hosts": {host.name: variables}}}
    place.write("hosts.yml", yaml.safe_dump(hosts))
    place.write("people.yml", PEOPLE).chmod(0o644)
    policies = [
        {
            "id": method, "tier": "server-config", "method": method,
            "select": {"hosts": [host.name]}, "source": _SOURCES[method],
            "copies": [{"location": "store"}, {"location": "second", "immutable": "30d"}],
        }
        for method in METHODS
    ]  # fmt: skip
    place.write("policies.yml", yaml.safe_dump({"policies": policies}))
    for name, secret in (("repository", PASSWORD), ("redis", REDIS_PASSWORD)):
        place.write(f"secrets/{name}", secret + "\n").chmod(0o600)
    backup = {
        "policies": "policies.yml",
        "locations": {
            "store": {"medium": "ssd", "credentials": "store"},
            "second": {
                "kind": "path", "medium": "usb", "credentials": "hub", "folder": "/mnt/second",
            },
        },
        "secrets": {
            "repository": "file:secrets/repository", "passwords": {"redis": "file:secrets/redis"},
        },
    }  # fmt: skip
    sections = {"inventory": ["hosts.yml"], "people": {"file": "people.yml"}, "backup": backup}
    place.settings(yaml.safe_dump(sections))


def _prepared(chain: Chain) -> None:
    """The roles by themselves: each leaves a set in the repository that the site's policy uses."""
    roles = [
        {
            "name": f"Prepare {method}",
            "ansible.builtin.include_role": {"name": f"storewarden.ops.backup_{method}"},
        }
        for method in METHODS
    ]
    tools = {
        "name": "Tools",
        "ansible.builtin.include_role": {"name": "storewarden.ops.backup_agent"},
        "vars": {"backup_agent_methods": list(METHODS)},
    }
    book = [{"hosts": "all", "gather_facts": False, "become": True, "tasks": [tools, *roles]}]
    path = chain.place.write("prepare.yml", yaml.safe_dump(book, sort_keys=False))
    words = {
        f"backup_{method}_{key}": value
        for method, given in _ROLES.items()
        for key, value in {**given, "password": PASSWORD}.items()
    }
    done = chain.play(str(path), **words)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert PASSWORD not in done.stdout and REDIS_PASSWORD not in done.stdout


@pytest.mark.parametrize("method", METHODS)
def test_a_set_is_taken_copied_read_rehearsed_and_looked_at(chain: Chain, method: str) -> None:
    name = chain.taken(method)
    read = chain.told("backup", "verify", name, "--level", "2")
    assert {(each["location"], each["end"]) for each in read} == {
        ("store", "done"), ("second", "done"),
    }  # fmt: skip
    drilled = chain.told("drill", "run", "--set", name, "--from", "store")
    (drill,) = drilled["drills"]
    assert drill["passed"] and drill["level"] == 4, drill
    assert drill["rto"] > 0 and drill["rpo"] is not None, drill

    asked = chain.run("restore", name, "--lang", "en")
    assert f"set {name} of {chain.host.name}/{method}, from" in asked.out
    assert "slowest of" in asked.out and "nothing was done" in asked.err
    done = chain.told("restore", chain.host.name, "--policy", method, "--into", "scratch")
    assert chain.host.run(["test", "-d", done["kept"]], user="root").returncode == 0
    mode = chain.host.run(["stat", "-c", "%a", done["kept"]], user="root").stdout.strip()
    assert mode == "700"
    chain.run("restore", "drop", done["run"])
    gone = chain.host.run(["test", "-e", done["kept"]], user="root", check=False)
    assert gone.returncode == 1


@pytest.mark.parametrize("method", METHODS)
def test_production_comes_back_on_a_change_and_goes_back(chain: Chain, method: str) -> None:
    good = chain.held(method)
    name = chain.taken(method)
    chain.spoil(method)
    spoilt = chain.held(method)
    assert spoilt != good
    words = ("restore", name, "--policy", method, "--into", "production", "--change")
    refused = chain.run(*words, "GMBG-20260101-999", person="op.one", code=2)
    assert chain.held(method) == spoilt and len(refused.lines) == 1

    change = chain.change()
    planned = chain.run(*words, change, "--dry-run", "--lang", "en", person="op.one")
    assert "rehearse" in planned.out and "look at production in its place" in planned.out
    came = chain.told(*words, change, person="op.one")
    assert chain.held(method) == good
    assert any("equal to the manifest" in each for each in came["done"]), came
    story = chain.run("change", "show", change, "--lang", "en").out
    assert f"{name} restored in" in story and came["before"] in story
    assert "equal to the manifest" in story
    assert bool(came["restore_point"]) == (method != "redis")

    if came["restore_point"]:
        undone = chain.play(
            "storewarden.ops.backup_beside", backup_word="undo", backup_owner=change,
            backup_point=came["restore_point"], backup_unit=UNIT if method == "sqlite" else "",
        )  # fmt: skip
        assert undone.returncode == 0, undone.stdout[-3000:]
    else:
        chain.told(*came["undo"].replace("CHANGE", change).split()[1:], person="op.one")
    assert chain.held(method) == spoilt


def test_production_that_differs_after_it_was_replaced_is_told(chain: Chain) -> None:
    """Something overwrites the file as soon as its service may run again."""
    name = chain.taken("sqlite")
    meddler = f"/etc/systemd/system/{UNIT}.d"
    chain.host.write(
        f"{meddler}/late.conf", "[Service]\nExecStartPre=/usr/bin/python3 /opt/pos-demo.py spoil\n"
    )
    chain.host.run("systemctl daemon-reload", user="root")
    change = chain.change()
    words = ("restore", name, "--into", "production", "--change", change, "--lang", "en")
    failed = chain.run(*words, person="op.one", code=5)
    assert "production was replaced, and is not what the set holds" in failed.err
    assert "the old one is" in failed.err and "what was there is set" in failed.err
    assert "failed: production was replaced" in chain.run("change", "show", change).out
    chain.host.run(f"rm -r {meddler}; systemctl daemon-reload", user="root")
    again = (*words[:-2], "--json")
    assert chain.run(*again, person="op.one").code == 0


def test_two_people_remove_an_old_set_and_it_is_gone_everywhere(chain: Chain) -> None:
    """The set of the role is the oldest one; the catalog is told that it came last year."""
    target = Target(host=chain.host.name, policy="files")
    old_id = min(_snapshots(chain, f"{STATE}/repositories/files"))
    old = f"{target.name}/{old_id}"
    then = datetime.now(UTC) - timedelta(days=400)
    found = BackupSet(
        id=old, target=target, kind=SetKind.FULL, taken=then, received=then, size=1 << 20
    )
    there = CopySeen(set=old, location="store", at=then, level=Level.READ)
    chain.service.site.ledger.backups.record([SetFound(set=found), there])
    young = chain.taken("files")
    chain.run("backup", "verify", young, "--level", "2")
    places = (
        f"{STATE}/repositories/files", f"/mnt/second/{chain.host.name}/files",
    )  # fmt: skip
    for each in places:
        assert {old_id, young.split("/")[-1]} <= set(_snapshots(chain, each))

    asked = chain.told("backup", "expire", "propose", person="op.one")
    assert asked["sets"] == [old], asked
    words = ("backup", "expire", "approve", asked["number"])
    assert "somebody else" in chain.run(*words, person="op.one", code=3).err
    assert chain.run("backup", "expire", "delete", asked["number"], code=3).out == ""
    chain.run(*words, person="head")
    ended = chain.told("backup", "expire", "delete", asked["number"])
    assert sorted(ended["gone"]) == [f"{old}@second", f"{old}@store"] and not ended["left"], ended
    for each in places:
        left = _snapshots(chain, each)
        assert old_id not in left and young.split("/")[-1] in left
    assert old not in {each["id"] for each in chain.told("backup", "list")}

    after = chain.taken("files")
    for each in (young, after):
        read = chain.told("backup", "verify", each, "--level", "2")
        assert [(one["end"], one["damaged"]) for one in read] == [("done", {})] * 2, read


def test_a_place_that_lets_go_is_not_called_immutable(chain: Chain) -> None:
    name = chain.taken("files")
    proof = chain.run("backup", "prove-321", name, "--canary", "--lang", "en", code=1)
    assert "second let a canary be deleted: it is not immutable" in proof.out


def _snapshots(chain: Chain, repository: str) -> list[str]:
    """The sets in a repository, as its own tool shows them."""
    words = f"RESTIC_PASSWORD={PASSWORD} restic -r {repository} snapshots --json --no-lock"
    shown = json.loads(chain.host.run(words, user="root").stdout)
    tags = [dict(tag.partition("=")[::2] for tag in each["tags"]) for each in shown]
    return [each["id"] for each in tags]
