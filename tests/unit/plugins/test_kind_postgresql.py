# SPDX-License-Identifier: GPL-3.0-or-later
"""The fix of PostgreSQL's settings on imagined hosts; on real ones in tests/e2e."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.postgresql_clusters import (
    LIST,
    Cluster,
    argv,
    as_json,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kinds import plan
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_cases import CaseSystem

MAIN = "/etc/postgresql/15/main/postgresql.conf"
AUTO = "/var/lib/postgresql/15/main/postgresql.auto.conf"
OURS = "/etc/postgresql/15/main/conf.d/zz-storewarden.conf"
CERTIFICATE = "/var/lib/postgresql/15/main/server.crt"
KNOWN = "SELECT name, setting, context FROM pg_settings"
CLUSTER = Cluster("15/main", 5432, "postgres", True)
SETTINGS = {
    "data_directory": ("/var/lib/postgresql/15/main", "postmaster"),
    "shared_preload_libraries": ("timescaledb", "postmaster"),
    "password_encryption": ("md5", "user"),
    "listen_addresses": ("*", "postmaster"),
    "ssl_cert_file": ("server.crt", "sighup"),
    "ssl_key_file": ("/etc/ssl/private/shop.key", "sighup"),
    "ssl": ("off", "sighup"),
}


def _host(files: dict[str, str]) -> CaseSystem:
    rows = [
        json.dumps({"name": name, "setting": setting, "context": context})
        for name, (setting, context) in SETTINGS.items()
    ]
    commands = {
        " ".join(LIST): "15 main 5432 online,auto postgres /var/lib/postgresql/15/main /log\n",
        " ".join(argv(CLUSTER, as_json(KNOWN), "postgres")): "\n".join(rows),
    }
    here = {"/usr/bin/pg_lsclusters": "", MAIN: "include_dir = 'conf.d'\n", **files}
    return CaseSystem({"files": here, "commands": commands})


def _plan(files: dict[str, str] | None = None, **fix: Any) -> Any:
    return plan(_host(files or {}), {"kind": "postgresql", **fix})


def _changes(step: Any) -> list[tuple[str, Any, Any]]:
    return [tuple(change) for change in step.changes]


def test_a_setting_that_sessions_take_over_needs_a_reload_only() -> None:
    step = _plan(settings={"password_encryption": "scram-sha-256"})
    line = "password_encryption = 'scram-sha-256'"
    assert _changes(step) == [(f"{OURS}: password_encryption", None, line)]
    assert (step.reloads, step.restarts) == (("postgresql@15-main.service",), ())


def test_what_wins_over_our_file_is_commented_out() -> None:
    files = {
        MAIN: "listen_addresses = 'a'\ninclude_dir = 'conf.d'\nlisten_addresses '*'\nport = 1\n",
        AUTO: "# Do not edit\nLISTEN_ADDRESSES = '*'\n",
    }
    step = _plan(files, settings={"listen_addresses": "localhost"})
    assert _changes(step)[:2] == [
        (MAIN, "listen_addresses '*'", None),
        (AUTO, "LISTEN_ADDRESSES = '*'", None),
    ]
    assert set(step.restarts) == {"postgresql@15-main.service"}


def test_a_library_comes_beside_those_that_are_loaded_or_will_be() -> None:
    ours = {OURS: "shared_preload_libraries = 'timescaledb, credcheck'\n"}
    step = _plan(ours, preload="pgaudit", settings={"pgaudit.log": "role, it's"})
    assert [after for _what, _before, after in _changes(step)] == [
        "shared_preload_libraries = 'timescaledb, credcheck, pgaudit'",
        "pgaudit.log = 'role, it''s'",
    ]
    assert step.restarts == ("postgresql@15-main.service",)
    assert ("ls", "/usr/lib/postgresql/15/lib/pgaudit.so") in step.checks


def test_nothing_is_left_to_do_when_our_file_says_it() -> None:
    ours = {OURS: "listen_addresses = 'localhost'\n"}
    assert not _plan(ours, settings={"listen_addresses": "localhost"}).changes


def test_the_certificate_is_looked_at_where_the_server_looks() -> None:
    key = {"/etc/ssl/private/shop.key": ""}
    with pytest.raises(FixFailed, match=r"15/main/server\.crt, which PostgreSQL needs"):
        _plan(key, settings={"ssl": "on"})
    step = _plan({**key, CERTIFICATE: ""}, settings={"ssl": "on"})
    looked = {check[-1] for check in step.checks if "head" in check}
    assert looked == {CERTIFICATE, "/etc/ssl/private/shop.key"}


@pytest.mark.parametrize("text", ["", "#include_dir = 'conf.d'\n"])
def test_a_cluster_that_would_not_read_our_file_is_left_to_people(text: str) -> None:
    with pytest.raises(FixFailed, match=r"15/main does not read a conf.d folder") as refused:
        _plan({MAIN: text}, settings={"ssl": "on"})
    assert "请手工设置" in refused.value.reason()["zh"]
