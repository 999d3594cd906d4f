# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL on a real host: a flood of idle sessions, and a standby that does not follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.heal_plays import Healed, Healing
from tests.lab.fleet import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def why(healed: Healed) -> str:
    """What diagnose said."""
    return str(healed.own["diagnosis"]["reason"])


_SHELL = """
psql_() { runuser -u postgres -- psql -X -q -A -t -v ON_ERROR_STOP=1 "$@" </dev/null; }
until_() { timeout 200 sh -c "until $1; do sleep 0.2; done"; }
set -e
"""
# 16 connections, three of them for administrators: 10 idle ones, one that works, one of theirs.
_FLOOD = """
psql_ -c "CREATE ROLE pos LOGIN PASSWORD 'Ladder-42-Otter'" -c "CREATE DATABASE pos OWNER pos"
psql_ -c 'ALTER SYSTEM SET max_connections = 16'
systemctl restart postgresql@15-main
cat > /srv/flood <<'END'
export PGPASSWORD=Ladder-42-Otter PGHOST=127.0.0.1 PGUSER=pos PGDATABASE=pos
for number in $(seq 10); do sleep 10000 | psql -X -q & done
psql -X -q -c 'SELECT pg_sleep(10000)' &
sleep 10000 | runuser -u postgres -- env PGHOST=/run/postgresql PGUSER=postgres \
  PGDATABASE=postgres psql -X -q &
wait
END
systemd-run -q --unit=flood sh /srv/flood
until_ '[ "$(runuser -u postgres -- psql -XAtc "SELECT count(*) FROM pg_stat_activity
  WHERE datname IS NOT NULL AND pid <> pg_backend_pid()" </dev/null)" = 12 ]'
"""
FLOOD: dict[str, Any] = {
    "users": ["pos"],
    "databases": ["pos"],
    "idle_seconds": 0,
    "high": 70,
    "goal": 40,
}
LEFT = (
    "psql_ -c \"SELECT usename, state FROM pg_stat_activity WHERE backend_type = 'client backend'"
    ' AND pid <> pg_backend_pid() ORDER BY 1, 2"'
)


@pytest.fixture
def healing(lab: Lab, database_host: LabHost, tmp_path: Path) -> Healing:
    return Healing(lab=lab, host=database_host, folder=tmp_path)


def test_a_flood_of_idle_sessions(healing: Healing) -> None:
    healing.sh(_SHELL + _FLOOD)
    nobody = healing.look("postgresql", **{**FLOOD, "users": ["crm"]})
    assert nobody.own["diagnosis"]["state"] == "escalate", nobody.said
    flood = healing.run("postgresql", **FLOOD)
    assert flood.end == "repaired", flood.said
    assert "12 of 16 connections are taken; 6 idle ones can be ended" in why(flood)
    assert flood.steps == ["ended 6 sessions of pos in pos (idle)"]
    left = healing.sh(_SHELL + LEFT).split()
    assert left == ["pos|active", *["pos|idle"] * 4, "postgres|idle"]
    assert "pg_sleep" not in repr(flood.own)
    healing.sh("systemctl stop flood")


STANDBY = "/var/lib/postgresql/15/standby"
_STANDBY = f"""
pg_createcluster 15 standby >/dev/null
rm -rf {STANDBY}
runuser -u postgres -- pg_basebackup -D {STANDBY} -R -h /run/postgresql -c fast
systemctl start postgresql@15-standby
"""
STREAMS = (
    'until_ \'[ "$(runuser -u postgres -- psql -XAtp 5433 -c "SELECT status FROM'
    ' pg_stat_wal_receiver" </dev/null)" = streaming ]\'\n'
)
AUTO = f"{STANDBY}/postgresql.auto.conf"
OPTIONS = {"cluster": "15/standby"}


def test_a_standby_follows_again(healing: Healing) -> None:
    """First it was started with a wrong word in its file, which has been put right since; then
    with one that only its start has."""
    healing.sh(_SHELL + _STANDBY + STREAMS)
    assert healing.look("postgresql", **OPTIONS).end == "healthy"
    healing.sh(
        f"{_SHELL} cp -p {AUTO} /srv/auto; sed -i 's/port=5432/port=5999/' {AUTO}\n"
        f"systemctl restart postgresql@15-standby; cp -p /srv/auto {AUTO}"
    )
    unread = healing.run("postgresql", **OPTIONS)
    assert unread.end == "repaired", unread.said
    assert "standby 15/standby has no receiver, and its primary can be reached" in why(unread)
    assert unread.steps == ["reloaded 15/standby"]

    conf = "/etc/postgresql/15/standby/pg_ctl.conf"
    healing.sh(
        f"{_SHELL} cp -p {conf} /srv/ctl\n"
        f"""echo "pg_ctl_options = '-o -cprimary_conninfo=port=5999'" > {conf}\n"""
        f"systemctl restart postgresql@15-standby; cp -p /srv/ctl {conf}"
    )
    told = healing.run("postgresql", **OPTIONS)
    assert told.end == "repaired", told.said
    assert told.steps[-1] == "restarted postgresql@15-standby.service"

    # As Patroni has it: the server runs, and systemd's unit is not what started it.
    healing.sh(
        f"""{_SHELL} echo "pg_ctl_options = '-o -cprimary_conninfo=port=5999'" > {conf}
        systemctl stop postgresql@15-standby
        runuser -u postgres -- pg_ctlcluster --skip-systemctl-redirect 15 standby start
        cp -p /srv/ctl {conf}"""
    )
    others = healing.look("postgresql", **OPTIONS)
    assert others.own["diagnosis"]["state"] == "escalate", others.said
    assert "is not what postgresql@15-standby.service runs" in why(others)

    healing.sh("systemctl stop postgresql@15-main")
    away = healing.run("postgresql", **OPTIONS)
    assert away.end == "escalate", away.said
    assert "its primary /run/postgresql:5432 cannot be reached" in why(away)
