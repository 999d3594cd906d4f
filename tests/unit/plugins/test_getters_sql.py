# SPDX-License-Identifier: GPL-3.0-or-later
"""What a control may ask a database, and what comes back; the clients answer like real ones.

The servers themselves are asked in tests/e2e/test_database_controls.py.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evidence import evidence
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.sql_statement import refusal
from tests.unit.plugins.baseline_host import Bench

TWO = (
    "15 main 5432 online,auto postgres /a b/data /log\n"
    "16 crm 5433 online,recovery,manual pgcrm /d /l\n"
)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT name, setting FROM pg_settings WHERE name IN ('ssl', 'port') ORDER BY name;",
        "select count(*) from t where lower(a) = 'it''s -- no #comment' or b like '%x'",
        "SHOW ssl",
        "SELECT User, Host FROM mysql.user WHERE JSON_VALUE(a, 'x') = \"into\"",
        "SELECT coalesce(max(length(x)), 0)\nFROM t",
    ],
)
def test_questions_that_only_read_are_allowed(statement: str) -> None:
    assert refusal(statement) is None


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DROP TABLE t", "one SELECT or SHOW"),
        ("SELECT 1; DROP TABLE t", "one SELECT or SHOW"),
        ("WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x", "one SELECT or SHOW"),
        ("SELECT pg_terminate_backend(1)", "calls pg_terminate_backend"),
        ("SELECT pg_catalog.lo_export(1, '/etc/passwd')", "calls pg_catalog.lo_export"),
        ("SELECT SLEEP(100)", "calls SLEEP"),
        ('SELECT "pg_reload_conf"()', "calls a quoted name"),
        ("SELECT `sleep` (9)", "calls a quoted name"),
        ("SELECT a INTO OUTFILE '/tmp/x' FROM t", "says INTO"),
        ("SELECT * FROM t FOR UPDATE", "says FOR UPDATE"),
        ("SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */", "without a comment"),
        ("SELECT 1 -- x", "without a comment"),
        ("SELECT 1 # x", "without a comment"),
        (r"SELECT 'a' \! reboot", "without a backslash"),
        (r"SELECT '\' , sleep(9) , '", "without a backslash"),
        ("SELECT $x$ a $x$", "without a dollar sign"),
        ("SELECT 'a, sleep(9)", "all its quotes closed"),
    ],
)
def test_what_could_do_more_than_read_is_refused(bench: Bench, statement: str, why: str) -> None:
    assert why in (refusal(statement) or "")
    with pytest.raises(ProbeError, match="query"):
        bench.look("sql", engine="postgresql", statement=statement)


def test_rows_of_postgresql_keep_their_types_whatever_stands_in_them(bench: Bench) -> None:
    hostile = 'a\x1fb\nc\td"e|NULL'
    row = {"name": hostile, "n": 7, "yes": True, "list": ["x", None], "none": None}
    bench.script("runuser", f"printf '%s\\n' '{json.dumps(row)}'")
    found = bench.look("sql", engine="postgresql", statement="SELECT * FROM t")
    assert found == [[hostile, 7, True, ["x", None], None]]


def test_two_columns_of_one_name_both_come(bench: Bench) -> None:
    bench.script("runuser", """printf '{"x":1,"x":2}\\n'""")
    assert bench.look("sql", engine="postgresql", statement="SELECT 1 AS x, 2 AS x") == [[1, 2]]


def test_an_answer_that_is_none_is_an_error(bench: Bench) -> None:
    bench.script("runuser", "echo 'Welcome to this host'")
    with pytest.raises(ProbeError, match="not what was asked for"):
        bench.look("sql", engine="postgresql", statement="SELECT 1")


def test_the_session_is_read_only_and_ends_by_itself(bench: Bench) -> None:
    words = bench.root.parent / "words"
    bench.script("runuser", f"printf '%s\\n' \"$@\" > {words}")
    bench.look("sql", engine="postgresql", statement="SHOW ssl", database="shop", user="pgshop")
    said = words.read_text().splitlines()
    assert said[:4] == ["-u", "pgshop", "--", "psql"]
    assert said[said.index("-d") + 1] == "shop"
    asked = [said[place + 1] for place, word in enumerate(said) if word == "-c"]
    assert asked == [
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET statement_timeout = 4000",
        "SHOW ssl",
    ]


def _two_clusters(bench: Bench) -> None:
    bench.files({"/usr/bin/pg_lsclusters": ""}).answer("pg_lsclusters", TWO)
    row = '{\\"who\\":\\"%s\\",\\"port\\":\\"%s\\"}'
    bench.script(
        "runuser",
        'while [ "$1" != -p ]; do [ "$1" = -u ] && user=$2; shift; done\n'
        f'printf "{row}\\n" "$user" "$2"',
    )


def test_every_cluster_is_asked_as_its_owner(bench: Bench) -> None:
    _two_clusters(bench)
    query = {"engine": "postgresql", "statement": "SELECT 1"}
    assert bench.look("sql", each=True, **query) == [
        ["15/main", "postgres", "5432"],
        ["16/crm", "pgcrm", "5433"],
    ]
    with pytest.raises(ProbeError, match=r"2 PostgreSQL clusters run on this host.*each: true"):
        bench.look("sql", **query)


def test_a_cluster_that_somebody_keeps_down_is_left_out(bench: Bench) -> None:
    listed = "15 main 5432 online,auto postgres /d /l\n15 old 5433 down,manual <unknown> /d /l\n"
    bench.files({"/usr/bin/pg_lsclusters": ""}).answer("pg_lsclusters", listed)
    assert bench.look("pg_clusters") == [{"cluster": "15/main", "port": 5432}]


def test_a_list_of_clusters_that_makes_no_sense_is_an_error(bench: Bench) -> None:
    bench.files({"/usr/bin/pg_lsclusters": ""}).answer("pg_lsclusters", "Error: no such thing\n")
    with pytest.raises(ProbeError, match="pg_lsclusters says"):
        bench.look("pg_clusters")


@pytest.fixture
def short() -> Iterator[Bench]:
    """A host below a short path: a socket's path has a limit."""
    with tempfile.TemporaryDirectory(prefix="sq-") as name:
        yield Bench(Path(name))


def _socket(bench: Bench, path: str) -> None:
    bench.files({path + ".x": ""})
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(bench.root / path.lstrip("/")))


def test_without_debians_list_the_sockets_tell_the_clusters(short: Bench) -> None:
    _socket(short, "/run/postgresql/.s.PGSQL.5433")
    assert short.look("pg_clusters") == [{"cluster": "port 5433", "port": 5433}]


def test_rows_of_mariadb_are_unescaped(bench: Bench) -> None:
    bench.script("mariadb", r"printf 'a\\tb\\n\\\\n\\0\tNULL\t\n'")
    found = bench.look("sql", engine="mariadb", statement="SELECT a, b, c FROM t")
    assert found == [["a\tb\n\\n\0", None, ""]]


def test_mariadb_is_asked_over_its_socket_whatever_the_option_file_says(short: Bench) -> None:
    words = short.root.parent / "words"
    short.files({"/root/.my.cnf": "[client]\nhost=db.example.com\n"})
    for name in ("mysqld.sock", "mysqlx.sock"):
        _socket(short, "/run/mysqld/" + name)
    short.script("mariadb", f"printf '%s\\n' \"$@\" > {words}")
    short.look("sql", engine="mariadb", statement="SELECT 1\nFROM t;", database="shop")
    said = words.read_text().splitlines()
    assert said[0] == "--defaults-extra-file=/root/.my.cnf"
    assert {"--protocol=socket", "--socket=/run/mysqld/mysqld.sock", "--database=shop"} <= set(said)
    assert "--local-infile=0" in said
    assert said[-1].startswith("SET SESSION TRANSACTION READ ONLY; ")
    assert said[-1].endswith("; SELECT 1 FROM t")


def test_a_refused_login_is_no_missing_server(short: Bench) -> None:
    _socket(short, "/run/mysqld/mysqld.sock")
    short.script("mariadb", "echo 'ERROR 1045: Access denied for user root' >&2; exit 1")
    with pytest.raises(ProbeError, match=r"permission: mariadb .*mysqld.sock.* Access denied"):
        short.look("mariadb_instances")


@pytest.mark.slow
def test_a_statement_without_end_is_ended(bench: Bench) -> None:
    bench.files({"/shop.db": b""})
    sqlite3.connect(bench.root / "shop.db").close()
    digits = "(SELECT 0 AS d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4)"
    many = ", ".join(f"{digits} AS t{place}" for place in range(16))
    statement = " ".join(["SELECT count(*) FROM", many])
    with pytest.raises(ProbeError, match="timeout"):
        bench.look("sql", engine="sqlite", database="/shop.db", statement=statement)


@pytest.mark.parametrize(
    "stored",
    [
        "*B30134364A2D14319904C2C807363CF2C81ABD5B",
        "md5b1946ac92492d2347c6235b4d2611184",
        "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy",
    ],
)
def test_a_password_as_databases_store_it_never_leaves_the_host(stored: str) -> None:
    told: Any = evidence([["till", stored], f"ALTER ROLE till PASSWORD '{stored}'"])
    assert stored[1:] not in json.dumps(told)
    assert "sha256:" in told[0][1]
