# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What heal asks a PostgreSQL cluster: its sessions, its receiver, its slots.

The text of a query is never read, for it may hold data; neither is anything of a connection string
but where it leads.
"""

from __future__ import annotations

import os
import re
import socket
import time
from typing import Any

# First of all: the clusters below lean on it, and it leans on them.
import ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters  # noqa: F401
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.host_system import HostSystem
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.postgresql_clusters import (
    Cluster,
    clusters,
    select,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

IDLE = ("idle", "idle in transaction", "idle in transaction (aborted)")
MOST_SESSIONS = 400  # that are listed one by one; all are counted
_REACHING = 5.0
_TAIL = 256 * 1024  # bytes of the server's log that are read
_STREAMS = "started streaming WAL"
# The words are in the server's language; a bare name of a segment is in no other message of it.
_GONE = re.compile(
    r"requested WAL segment (\S+) has already been removed|(?<![\w\"/])([0-9A-F]{24})(?![\w\"])",
    re.A,
)
_PART = re.compile(r"(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S*))")

_GENERAL = (
    "SELECT current_setting('max_connections')::int AS most, pg_is_in_recovery() AS standby,"
    " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    " AND pid <> pg_backend_pid()) AS used,"
    " current_setting('data_directory') AS folder, pg_current_logfile() AS log"
)
# A beginning as text: what is compared with it later must be the same sign by sign.
_SESSIONS = (
    "SELECT a.pid, extract(epoch FROM a.backend_start)::text AS started, a.usename AS user,"
    " a.datname AS database, a.state,"
    " round(extract(epoch FROM now() - a.state_change))::bigint AS since,"
    " coalesce(r.rolsuper, true) AS super, coalesce(r.rolreplication, true) AS replication"
    " FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid"
    " WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()"
    " ORDER BY a.state_change"
)
_RECEIVER = (
    "SELECT status, round(extract(epoch FROM now() - last_msg_receipt_time))::bigint AS silent"
    " FROM pg_stat_wal_receiver"
)
_STANDBY = (
    "SELECT pg_is_wal_replay_paused() AS paused, current_setting('primary_conninfo') AS leads,"
    " (SELECT setting FROM pg_file_settings WHERE name = 'primary_conninfo'"
    " ORDER BY seqno DESC LIMIT 1) AS written,"
    " coalesce(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::bigint"
    " AS unplayed, current_setting('restore_command') <> '' AS archive"
)
_PLAYED = "SELECT pg_last_wal_replay_lsn()::text AS place"
_MOVING = 10.0  # seconds in which a standby that replays an archive is watched
_SLOTS = (
    "SELECT slot_name AS name, active, coalesce(wal_status, 'lost') AS wal,"
    " coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint AS behind"
    " FROM pg_replication_slots ORDER BY slot_name"
)


def look(host: Host, wanted: str) -> list[dict[str, Any]]:
    """An entry per cluster (``wanted``: only that one): ``name``, ``port``, ``owner``, ``runs``,
    and what it says of itself, or ``error``."""
    system = HostSystem(host.root or "/")
    found = [one for one in clusters(system) if wanted in ("", one.name)]
    return [_cluster(host, system, one) for one in found]


def asked(host: Host, about: dict[str, Any], statement: str) -> list[dict[str, Any]]:
    """Rows of one SELECT, in a session of its own, now. ProbeError."""
    cluster = Cluster(about["cluster"], about["port"], about["owner"], True)
    return [dict(row) for row in select(HostSystem(host.root or "/"), cluster, statement)]


def unit_of(name: str) -> str:
    """Debian's unit of a cluster; elsewhere the option names it."""
    version, _slash, cluster = name.partition("/")
    return "postgresql@{0}-{1}.service".format(version, cluster) if cluster else ""


def _cluster(host: Host, system: HostSystem, cluster: Cluster) -> dict[str, Any]:
    told = {"name": cluster.name, "port": cluster.port, "owner": cluster.owner}
    try:
        return dict(told, runs=cluster.runs, **(_said(host, system, cluster)))
    except ProbeError as error:
        return dict(told, runs=cluster.runs, error=str(error).split("\n")[0])


def _said(host: Host, system: HostSystem, cluster: Cluster) -> dict[str, Any]:
    if not cluster.runs:
        return {}
    general = dict(select(system, cluster, _GENERAL)[0])
    folder, log = general.pop("folder"), general.pop("log")
    sessions = [dict(row) for row in select(system, cluster, _SESSIONS)]
    idle = [one for one in sessions if one["state"] in IDLE]
    found = dict(general, sessions=idle[:MOST_SESSIONS], counts=counted(sessions))
    if not general["standby"]:
        return dict(found, slots=[dict(row) for row in select(system, cluster, _SLOTS)])
    standby = dict(select(system, cluster, _STANDBY)[0])
    receivers = [dict(row) for row in select(system, cluster, _RECEIVER)]
    written = standby.pop("written")
    leads = standby.pop("leads")
    places = (leads, leads if written is None else written)
    return dict(
        found,
        **standby,
        receiver=receivers[0] if receivers else None,
        moves=bool(standby["archive"] and not receivers and _moves(system, cluster)),
        postmaster=_postmaster(host, folder),
        unread=places[0] != places[1],
        primary=_primary(host, places[1]),
        missing=_missing(host, _logs(cluster, folder, log)),
    )


def _moves(system: HostSystem, cluster: Cluster) -> bool:
    """Whether what it has replayed grows, without a receiver: then it is fed from an archive."""
    before = [dict(row) for row in select(system, cluster, _PLAYED)]
    end = time.monotonic() + _MOVING
    while time.monotonic() < end:
        time.sleep(1.0)
        if [dict(row) for row in select(system, cluster, _PLAYED)] != before:
            return True
    return False


def _postmaster(host: Host, folder: str) -> int:
    """The number of the server's first process; 0 when it is not known."""
    try:
        with open(host.at(os.path.join(folder, "postmaster.pid")), encoding="utf-8") as source:
            return int(source.readline())
    except (OSError, ValueError):
        return 0


def counted(sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many sessions each user has in each database and state, most first."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for one in sessions:
        key = (str(one["user"]), str(one["database"]), str(one["state"]))
        found.setdefault(key, []).append(int(one["since"] or 0))
    told = [
        {"user": key[0], "database": key[1], "state": key[2], "count": len(ages), "most": max(ages)}
        for key, ages in found.items()
    ]
    return sorted(told, key=lambda one: -int(one["count"]))


def parts_of(conninfo: str) -> dict[str, str]:
    """Where a connection string leads: host and port alone."""
    found = {}
    for name, quoted, plain in _PART.findall(conninfo):
        if name in ("host", "hostaddr", "port"):
            found[name] = re.sub(r"\\(.)", r"\1", quoted) or plain
    return found


def _primary(host: Host, conninfo: str) -> dict[str, Any] | None:
    """``{host, port, reachable}``, or None when the standby follows nobody."""
    if not conninfo.strip():
        return None
    parts = parts_of(conninfo)
    where = (parts.get("hostaddr") or parts.get("host") or "/run/postgresql").split(",")[0]
    port = (parts.get("port") or "5432").split(",")[0]
    number = int(port) if port.isdigit() else 0
    return {"host": where, "port": number, "reachable": _reachable(host, where, number)}


def _reachable(host: Host, where: str, port: int) -> bool:
    try:
        if where.startswith("/"):
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(_REACHING)
                line.connect(host.at("{0}/.s.PGSQL.{1}".format(where, port)))
        else:
            socket.create_connection((where, port), timeout=_REACHING).close()
    except OSError:
        return False
    return True


def _logs(cluster: Cluster, folder: str, log: str | None) -> list[str]:
    """Where the server may write: its own collector's file, or Debian's."""
    found = [os.path.join(folder, log)] if log else []
    if "/" in cluster.name:
        name = cluster.name.replace("/", "-")
        found.append("/var/log/postgresql/postgresql-{0}.log".format(name))
    return found


def _missing(host: Host, paths: list[str]) -> str:
    for path in paths:
        try:
            with open(host.at(path), "rb") as source:
                source.seek(0, os.SEEK_END)
                source.seek(max(source.tell() - _TAIL, 0))
                said = missing_in(source.read().decode("utf-8", "replace"))
        except OSError:
            continue
        if said:
            return said
    return ""


def missing_in(log: str) -> str:
    """What the primary no longer has, if that was said after streaming began for the last time."""
    found = _GONE.findall(log.rpartition(_STREAMS)[2])
    named = next((one for one in found[-1] if one), "") if found else ""
    return "requested WAL segment {0} has already been removed".format(named) if named else ""
