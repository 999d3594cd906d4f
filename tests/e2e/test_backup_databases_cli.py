# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL by pgBackRest and MariaDB, from their roles to production restored on a change: the
command line against a real store server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.e2e.databases_site import MARIADB, POSTGRESQL, Databases, databases, role_play
from tests.lab.fleet import LabHost

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.full]

_UNIT = {POSTGRESQL: "postgresql@15-main", MARIADB: "mariadb"}
# A file whose bytes matter: of pgBackRest's newest backup, or of restic's packs.
_FLIP = """
file=$(find /mnt/second -type f -size +20k {where} | sort | head -1)
at=$(($(stat -c %s "$file") / 2))
old=$(dd if="$file" bs=1 skip=$at count=1 status=none | od -An -tu1)
printf "\\\\$(printf %03o $((255 - old)))" | dd of="$file" bs=1 seek=$at conv=notrunc status=none
echo "$file"
"""
# What came back is a cluster that starts, without the repository.
_LOOK = """
control() { runuser -u postgres -- /usr/lib/postgresql/15/bin/pg_ctl -s -w -D FOLDER/data "$@"; }
control -l FOLDER/data/log -o "-c config_file=FOLDER/instance/postgresql.conf \\
  -c hba_file=FOLDER/instance/pg_hba.conf -c unix_socket_directories=/tmp -c port=6001" start
runuser -u postgres -- psql -XAtq -h /tmp -p 6001 shop -c 'SELECT max(id) FROM sale' </dev/null
control stop
"""
_WHERE = {
    POSTGRESQL: "-path '*shop-postgresql*/backup/*F/pg_data/base/*'",
    MARIADB: "-path '*shop-mariadb*/data/*'",
}


@pytest.fixture(scope="module")
def shop(database_host: LabHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Prepared by the roles; a full set of each database is there."""
    with databases(database_host, tmp_path_factory.mktemp("site")) as found:
        role_play(found.host, found.place.folder)
        for policy in (POSTGRESQL, MARIADB):
            found.take(policy, "full")
        yield found


def rows(shop: Databases, policy: str) -> str:
    """How many sales there are, and the newest."""
    sql = "SELECT count(*), max(id) FROM sale"
    return "|".join(
        (shop.pg(sql) if policy == POSTGRESQL else shop.my(sql)).replace("|", " ").split()
    )


def sell(shop: Databases, policy: str, first: int, last: int) -> None:
    if policy == POSTGRESQL:
        sql = "INSERT INTO sale SELECT i, 'sold' FROM generate_series({0}, {1}) i"
        shop.pg(sql.format(first, last))
    else:
        sql = "INSERT INTO sale SELECT seq, 'sold' FROM seq_{0}_to_{1}"
        shop.my(sql.format(first, last))
        shop.my("UPDATE beat SET at = utc_timestamp()")


def newest(shop: Databases, policy: str, kind: str = "") -> str:
    """The newest set, by when it was taken; a set that a role took is received with its copy."""
    found = shop.told("backup", "list", "--policy", policy)
    mine = [each for each in found if kind in ("", each["kind"])]
    return str(max(mine, key=lambda each: each["taken"])["id"])


def test_the_roles_change_nothing_the_second_time(shop: Databases) -> None:
    assert shop.pg("SHOW archive_mode") == "on"
    assert "changed=0 " in role_play(shop.host, shop.place.folder)


def test_sets_of_every_kind_are_taken_copied_and_read(shop: Databases) -> None:
    sell(shop, POSTGRESQL, 5001, 5100)
    shop.take(POSTGRESQL, "differential")
    sell(shop, POSTGRESQL, 5101, 5200)
    shop.take(POSTGRESQL, "incremental")
    sell(shop, POSTGRESQL, 5201, 5300)
    shop.take(POSTGRESQL, "log")
    for number, kind in enumerate(("differential", "incremental")):
        shop.take(MARIADB, kind)
        sell(shop, MARIADB, 5001 + 100 * number, 5100 + 100 * number)
    copied = shop.told("backup", "copy", shop.host.name, "--to", "second")
    assert {each["end"] for each in copied} == {"done"}, copied
    for policy in (POSTGRESQL, MARIADB):
        read = shop.told("backup", "verify", newest(shop, policy), "--level", "2")
        assert {(each["location"], each["end"]) for each in read} == {
            ("store", "done"), ("second", "done"),
        }, read  # fmt: skip
    for each in shop.told("backup", "list"):
        assert [copy["damaged"] for copy in each["copies"]] == [""] * len(each["copies"])


@pytest.mark.parametrize("policy", [POSTGRESQL, MARIADB])
def test_a_rehearsal_from_the_second_medium_is_measured_and_equal(
    shop: Databases, policy: str
) -> None:
    assert shop.cli("backup", "copy", shop.host.name, "--to", "second").code == 0
    (told,) = shop.told("drill", "run", shop.host.name, "--policy", policy, "--from", "second")[
        "drills"
    ]
    assert told["passed"] and told["level"] == 4, told
    assert told["differences"] == []
    assert 0 < told["rto"] < 600, told
    assert told["rpo"] is not None and 0 <= told["rpo"] < 900, told


def test_a_moment_between_two_sales_comes_back(shop: Databases) -> None:
    sell(shop, POSTGRESQL, 5301, 5301)
    time.sleep(1.2)
    moment = datetime.now(UTC).isoformat()
    time.sleep(1.2)
    sell(shop, POSTGRESQL, 5302, 5302)
    shop.take(POSTGRESQL, "log")
    words = (shop.host.name, "--policy", POSTGRESQL, "--from", "store", "--at", moment)
    (told,) = shop.told("drill", "run", *words)["drills"]
    assert told["passed"] and told["level"] == 4, told

    plan = shop.cli("restore", *words, "--lang", "en")
    assert plan.code == 0, plan.err
    assert "nothing was done" in plan.err
    done = shop.told("restore", *words, "--into", "scratch")
    folder = done["kept"]
    count = shop.sh(_LOOK.replace("FOLDER", folder))
    assert count == "5301"
    assert rows(shop, POSTGRESQL) == "5302|5302"
    dropped = shop.cli("restore", "drop", done["run"])
    assert dropped.code == 0, dropped.err
    shop.sh(f"! test -e {folder}")


@pytest.mark.parametrize("policy", [POSTGRESQL, MARIADB])
def test_production_gets_a_set_on_a_change_and_the_way_back_works(
    shop: Databases, policy: str
) -> None:
    wanted = rows(shop, policy)
    name = shop.take(policy, "incremental")
    sell(shop, policy, 9001, 9010)
    later = rows(shop, policy)
    if policy == POSTGRESQL:  # the mistake is in the WAL of the repository, after the set
        shop.pg("DELETE FROM sale WHERE id < 4000")
        later = rows(shop, policy)
        shop.take(policy, "log")
    number = shop.change()
    words = ("restore", name, "--into", "production", "--change", number, "--lang", "en")
    done = shop.cli(*words, token="op.one")
    assert done.code == 0, done.out + done.err
    assert rows(shop, policy) == wanted
    assert shop.sh(f"systemctl is-active {_UNIT[policy]}") == "active"
    assert "looked at in place" in done.out, done.out
    assert "level 4" in done.out
    before = newest(shop, policy, "full")  # what was there is saved first

    if policy == POSTGRESQL:
        refused = shop.cli("backup", "run", shop.host.name, "--policy", policy, "--kind", "log")
        assert refused.code == 4, refused.out
        assert "take a full set" in refused.out
    back = shop.cli("restore", before, "--into", "production", "--change", number, token="op.one")
    assert back.code == 0, back.out + back.err
    assert rows(shop, policy) == later
    shop.take(policy, "full")


@pytest.mark.parametrize("policy", [POSTGRESQL, MARIADB])
def test_a_byte_that_changed_in_one_copy_is_found_and_named(shop: Databases, policy: str) -> None:
    name = newest(shop, policy)
    shop.told("backup", "copy", name, "--to", "second")
    shop.sh(_FLIP.format(where=_WHERE[policy]))
    read = shop.told("backup", "verify", name, "--at", "second", code=4)
    assert any(each["damaged"] for each in read), read
    listed = shop.told("backup", "list", "--policy", policy)
    bad = [
        (each["id"], copy["place"]) for each in listed for copy in each["copies"] if copy["damaged"]
    ]
    assert bad and {place for _, place in bad} == {"second"}, listed


def test_nothing_of_the_secret_is_left(shop: Databases) -> None:
    from tests.e2e.databases_site import SECRET

    word = SECRET.replace("T", "[T]")
    where = "/var/lib/storewarden /run/storewarden /var/log /mnt/second"
    assert shop.sh(f"grep -rlE '{word}' {where} 2>/dev/null; true") == ""
