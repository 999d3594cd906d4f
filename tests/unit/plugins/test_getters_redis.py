# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis: users by their rules, configuration files, and how a password reaches redis-cli."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.redis_access import users_in
from tests.unit.plugins.baseline_host import Bench

CONFIGS = ["/etc/redis/redis*.conf"]
AUTH = "/etc/storewarden/redis.auth"
LISTS = {
    "dangerous": frozenset({"keys", "flushall", "config|set", "config|get", "client|kill"}),
    "read": frozenset({"get", "keys"}),
    "string": frozenset({"get", "set"}),
    "admin": frozenset({"config|set", "config|get"}),
}
# a server without a password, one with, and one that answers nothing
SETTINGS = "port\\n6379\\nbind\\n127.0.0.1\\nprotected-mode\\nyes\\n"
OPEN = f'case "$*" in *CONFIG*) printf "{SETTINGS}";; *) ;; esac'
GONE = "echo 'Could not connect to Redis at 127.0.0.1:6379: Connection refused' >&2; exit 1"


def look(bench: Bench, view: str, **query: Any) -> Any:
    return bench.look("redis", view=view, configs=CONFIGS, auth_file=AUTH, **query)


def listening(bench: Bench) -> Bench:
    return bench.script("ss", "true")


@pytest.mark.parametrize(
    ("rules", "listed", "guessed"),
    [
        ("+@all", True, True),
        ("allcommands", True, True),
        ("+@all -@dangerous", False, False),
        ("-@dangerous +@all", True, True),
        ("+@all -@dangerous +keys", True, True),
        ("+@all -@dangerous +KEYS -keys", False, True),
        ("+@all nocommands +get", False, False),
        ("+@read", True, True),
        ("+@string", False, True),  # without the server's lists nobody knows
        ("+@read -keys", False, True),
        ("+config|get", True, True),
        ("+config -config|set -config|get", False, True),
        ("+get +set", False, False),
        ("+client -client|kill", False, True),
        ("+@all -@dangerous (+get)", False, False),
        ("+get (~a +@all)", True, True),
        ("+@all reset +get", False, False),
    ],
)
def test_dangerous_commands(rules: str, listed: bool, guessed: bool) -> None:
    (user,) = users_in([f"user shop on >x ~a:* {rules}"])
    assert user.dangerous(LISTS.get) is listed
    assert user.dangerous(lambda _name: None) is guessed


@pytest.mark.parametrize(
    ("rules", "on", "opened", "all_keys"),
    [
        ("on >x ~a:*", True, False, False),
        ("on nopass ~*", True, True, True),
        ("on nopass >x", True, False, False),
        ("on #aa resetpass allkeys", True, False, True),
        ("off nopass allkeys resetkeys ~b", False, True, False),
        ("on nopass reset", False, False, False),
        ("on >x %R~* %W~a", True, False, True),
        ("on >x ~a (~* +set)", True, False, True),
        ("", False, False, False),
    ],
)
def test_users(rules: str, on: bool, opened: bool, all_keys: bool) -> None:
    (user,) = users_in(["user shop on nopass ~*", f"user shop {rules}"])
    assert (user.on, user.open, user.all_keys) == (on, opened, all_keys)


def test_no_password_stays_in_what_is_known_of_a_user() -> None:
    assert "secret" not in repr(users_in(["user shop on >secret #secret +get (>secret +@all)"]))


def test_the_password_is_in_the_environment_and_not_in_the_arguments(bench: Bench) -> None:
    listening(bench).files({"/etc/redis/redis.conf": 'requirepass "till \\"1\\" secret"\n'})
    note = bench.root / "calls"
    bench.script(
        "redis-cli",
        f'echo "$REDISCLI_AUTH|$*" >> {note}\n'
        '[ -n "$REDISCLI_AUTH" ] || { echo "NOAUTH Authentication required."; exit 0; }\n' + OPEN,
    )
    assert look(bench, "open_users") == []
    calls = note.read_text().splitlines()
    assert calls[0].startswith("|")  # nobody is told a password before one is wanted
    assert {line.partition("|")[0] for line in calls[1:]} == {'till \\"1\\" secret'}
    assert not any("secret" in line.partition("|")[2] for line in calls)


def test_settings_of_included_files_count_in_their_order(bench: Bench) -> None:
    listening(bench).script("redis-cli", GONE)
    bench.files(
        {
            "/etc/redis/redis.conf": "bind ::\ninclude /etc/redis/d/*.cfg\nProtected-Mode NO\n",
            "/etc/redis/d/1.cfg": "bind 10.1.1.1 # no comment\n",
            "/etc/redis/d/2.cfg": "protected-mode no\nbind 127.0.0.1 -::1\n",
        }
    )
    assert look(bench, "wildcard_binds") == []
    assert [one["protected-mode"] for one in look(bench, "unprotected")] == ["NO"]


def test_a_file_that_includes_itself_is_an_error(bench: Bench) -> None:
    listening(bench).files({"/etc/redis/redis.conf": "include /etc/redis/redis.conf\n"})
    with pytest.raises(ProbeError, match="includes itself"):
        look(bench, "instances")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold a password"),
        ("a b c", "must hold a password"),
        (None, "lets nobody ask it without a password"),
        ("wrong", "lets nobody ask it without a password"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="the file must belong to root")
def test_a_login_that_does_not_work_says_what_to_do(
    bench: Bench, text: str | None, message: str
) -> None:
    listening(bench).files({"/etc/redis/redis.conf": "port 6379\n"})
    bench.script("redis-cli", 'echo "WRONGPASS invalid username-password pair"')
    if text is not None:
        bench.files({AUTH: text})
        (Path(bench.root) / AUTH.lstrip("/")).chmod(0o600)
    with pytest.raises(ProbeError, match=message) as caught:
        look(bench, "open_users")
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("answer", ["ERR unknown command 'CONFIG'", "nonsense", ""])
def test_an_answer_that_makes_no_sense_is_an_error(bench: Bench, answer: str) -> None:
    listening(bench).files({"/etc/redis/redis.conf": "port 6379\n"})
    bench.answer("redis-cli", answer)
    with pytest.raises(ProbeError):
        look(bench, "open_users")


def test_before_redis_6_there_is_one_password_for_everybody(bench: Bench) -> None:
    listening(bench).files({"/etc/redis/redis.conf": "port 6379\nrequirepass x\n"})
    settings = "printf 'port\\n6379\\nrequirepass\\n%s\\n'"
    for password, findings in (("x", []), ("", [{"instance": "/etc/redis/redis.conf"}])):
        bench.script(
            "redis-cli",
            f'case "$*" in *CONFIG*) {settings} "{password}";; *) echo "ERR unknown";; esac',
        )
        found = look(bench, "open_users")
        assert [one["in"] for one in found] == ["running"] * len(findings)
