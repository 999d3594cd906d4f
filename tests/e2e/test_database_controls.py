# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL and MariaDB as Debian ships them: judged in every state, fixed, and taken back.

One host with both servers; its states follow each other, each from the way both were installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.plugin_utils.baseline_controls import (
    load_control,
    role_defaults,
)
from tests.e2e.control_states import FOLDER, ROOT, State, all_states, visit
from tests.e2e.fix_plays import CHANGE, UNDO, Plays
from tests.lab.fleet import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.slow]

STATES = [state for state in all_states() if state.host == "databases"]
FAMILIES = {"baseline_audit_families": ["postgresql", "mariadb"]}
# controls whose fix is data; those of the others are for people
FIXED = {"G01", "G02", "G04", "G05", "H01", "H03", "H04", "H05", "H07"}
BY_HAND = {"G03", "G06", "H02", "H06"}
SHELL = (FOLDER / "databases.sh").read_text(encoding="utf-8")
# Everything that can be wrong and is put right by data, in the places where it is hardest to win:
# ALTER SYSTEM, the end of postgresql.conf, a second cluster with a library of its own.
_ALL_WRONG = """
pg_fresh
my_fresh
pg_createcluster 15 crm -o shared_preload_libraries=pg_stat_statements >/dev/null
systemctl start postgresql@15-crm
psql_ -c "ALTER SYSTEM SET ssl = off"
printf "password_encryption = md5\\nlisten_addresses = '*'\\n" >> $PG/postgresql.conf
pg_by_systemd
mkdir -p /etc/mysql/tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=store -days 2 \
  -keyout /etc/mysql/tls/server-key.pem -out /etc/mysql/tls/server-cert.pem 2>/dev/null
chown mysql /etc/mysql/tls/server-key.pem
echo '*.* @@logs.invalid:6514' > /etc/rsyslog.d/50-forward.conf
systemctl restart rsyslog
mariadb -e "CREATE USER till@'%' IDENTIFIED BY 'Ladder-42-Otter'"
touch /root/my-changed
"""
_ANSWERS = """
for port in 5432 5433; do runuser -u postgres -- psql -XAtq -p $port -c 'SELECT 6 * 7'; done
mariadb -BN -e 'SELECT 6 * 7'
mariadb -BN --protocol=tcp --host=127.0.0.1 --ssl --user=till --password=Ladder-42-Otter \\
  -e 'SELECT 6 * 7'
"""


def _do(host: LabHost, script: str) -> str:
    return host.run("sh -eu", input=SHELL + script, user="root", timeout=400).stdout


@pytest.fixture(scope="module")
def results(database_host: LabHost, request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """What the host answered for the states of the tests that were chosen, at one go."""
    wanted = [
        item.callspec.params["state"]
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.module is request.module
        and "state" in getattr(getattr(item, "callspec", None), "params", {})
    ]
    defaults = role_defaults()
    paths = ROOT.glob("roles/baseline_*/controls/[GH]*.yml")
    controls = {path.stem: load_control(path, defaults) for path in paths}
    answers = visit(database_host, wanted, controls)
    return {state.id: answer for state, answer in zip(wanted, answers, strict=True)}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.id)
def test_verdict_on_a_real_server(state: State, results: dict[str, dict[str, Any]]) -> None:
    result = results[state.id]
    assert "broken" not in result, f"{state.id}: {result['broken']}"
    assert result["verdict"] == state.verdict, (
        f"{state.id}: value {result.get('value')!r}, reason {result.get('reason')}"
    )


def test_mariadb_locks_until_somebody_unlocks(database_host: LabHost) -> None:
    """What H04 says of its partial rule: everybody with a password, not for fifteen minutes."""
    said = _do(
        database_host,
        """
        my_fresh
        my "SET GLOBAL max_password_errors = 5"
        my "CREATE USER till@'%' IDENTIFIED BY 'Ladder-42-Otter'; GRANT ALL ON *.* TO till@'%'"
        login() { mariadb -BN -h 127.0.0.1 -u till -p"$1" -e 'SELECT "in"' 2>&1 || true; }
        for try in 1 2 3 4 5; do login wrong; done
        login Ladder-42-Otter
        mariadb -e 'FLUSH PRIVILEGES'
        login Ladder-42-Otter
        """,
    ).splitlines()
    assert ["Access denied" in line for line in said] == [True] * 5 + [False] * 2
    assert "blocked because of too many credential errors" in said[5]
    assert said[6] == "in"


@pytest.fixture
def plays(lab: Lab, tmp_path: Path) -> Plays:
    return Plays(lab=lab, folder=tmp_path)


@pytest.fixture
def wrong(database_host: LabHost) -> Iterator[LabHost]:
    """The host with everything wrong, and with two clusters."""
    _do(database_host, _ALL_WRONG)
    yield database_host
    _do(database_host, "pg_fresh\nmy_fresh\n")


def test_fixed_at_one_go_and_taken_back(plays: Plays, wrong: LabHost) -> None:
    done = plays.fix([wrong], **FAMILIES)
    report = done.harden(wrong, "database")
    assert report["outcome"] == "fixed", report
    before, after = done.verdicts(wrong, "audit_before"), done.verdicts(wrong)
    assert {id for id, (verdict, _) in before.items() if verdict == "fail"} >= FIXED
    assert {id for id in FIXED if after[id][0] == "pass"} == FIXED, after
    assert {one["id"] for one in report["controls"] if one["changes"]} == FIXED
    # the library of the second cluster is still there, beside ours
    assert after["G05"][1]["shared_preload_libraries"] == ["pg_stat_statements, pgaudit", "pgaudit"]
    assert _do(wrong, _ANSWERS).split() == ["42"] * 4

    again = plays.fix([wrong], **FAMILIES)
    assert again.harden(wrong, "database")["outcome"] == "unchanged", again.err
    assert "host_changed" not in again.kinds[wrong.name]

    back = plays.run(UNDO, [wrong], baseline_undo_change=CHANGE, **FAMILIES)
    (point,) = back.reports[wrong.name]["undo"]["restore_points"]
    assert point["outcome"] == "restored", back.err
    assert back.verdicts(wrong) == before
    assert _do(wrong, _ANSWERS).split() == ["42"] * 4


def test_without_a_certificate_tls_waits_and_the_rest_is_fixed(
    plays: Plays, database_host: LabHost
) -> None:
    _do(database_host, "my_fresh\nrm -rf /etc/mysql/tls\n")
    only = {**FAMILIES, "baseline_fix_controls": ["H01", "H04"]}
    done = plays.fix([database_host], **only)
    report = done.harden(database_host, "database")
    assert report["outcome"] == "fixed", report
    waiting = next(one for one in report["controls"] if one["id"] == "H01")
    assert "/etc/mysql/tls/server-cert.pem is not there" in waiting["problem"]["en"]
    after = done.verdicts(database_host)
    assert (after["H01"][0], after["H04"][0]) == ("fail", "pass")
    assert _do(database_host, "mariadb -BN -e 'SELECT 6 * 7'").split() == ["42"]
