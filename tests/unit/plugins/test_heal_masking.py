# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence leaves the host without what looks like a secret, and is otherwise as it was."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    Action,
    Diagnosis,
    Finding,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.masking import masked
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import (
    diagnosed,
    verified,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("db password=hunter2 host=a", "db password=*** host=a"),
        ('{"db_password": "a b", "n": 1}', '{"db_password": ***, "n": 1}'),
        ("posd --token abc123 --port 80", "posd --token *** --port 80"),
        ("PGPASSWORD='x y' psql", "PGPASSWORD=*** psql"),
        ("GET / Authorization: Bearer eyJhbGciOi", "GET / Authorization: ***"),
        ("to postgres://till:s3cret@db/pos", "to postgres://till:***@db/pos"),
        ("requirepass: s3cret", "requirepass: ***"),
        ("api_key=abc;next", "api_key=***;next"),
        (
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb",
            "a\n***\nb",
        ),
        ("a\n-----BEGIN PRIVATE KEY-----\nMIIE", "a\n***"),
        ("mysql -uroot -phunter2 pos", "mysql -uroot -p*** pos"),
        ("mysqldump -u root -p'x y' pos", "mysqldump -u root -p*** pos"),
        ("curl -u till:hunter2 http://a", "curl -u till:*** http://a"),
        ("sshpass -p hunter2 ssh a", "sshpass -p *** ssh a"),
        ("redis-cli -h a -a hunter2 PING", "redis-cli -h a -a *** PING"),
        ("AUTH hunter2", "AUTH ***"),
        ("AUTH till hunter2\nPING", "AUTH ***\nPING"),
        ("password hunter2", "password ***"),
        ("token abc123 is stale", "token *** is stale"),
        ("Password for till is hunter2", "Password for till is ***"),
        ("Cookie: sid=abc; lang=zh\nnext", "Cookie: ***\nnext"),
        ("Set-Cookie: sid=abc; Path=/", "Set-Cookie: ***"),
        ("密码：hunter2", "密码：***"),
        ("口令是 hunter2，请", "口令是 ***，请"),
        ("to postgres://till:s3/cr3t@db/pos", "to postgres://till:***@db/pos"),
        ("passphrase: my secret words", "passphrase: ***"),
        ("paid with 4111111111111111.", "paid with 411111***1111."),
        ("card 4111 1111 1111 1111 ok", "card 411111***1111 ok"),
        ("5555-5555-5555-4444x", "555555***4444x"),
    ],
)
def test_a_secret_is_masked(text: str, wanted: str) -> None:
    assert masked(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "pos.service: Main process exited, code=killed, status=9/KILL",
        "connection from 10.0.0.7:5432 to http://127.0.0.1:8080/health",
        "pam_unix(sshd:session): session opened for user ops",
        "Failed password for root from 10.0.0.7 port 22",
        "password authentication failed for user till",
        "receipt 4111111111111112 of 2026-11-22 at 1772366400",
        "密码错误",
        "0000000000000000",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert masked(text) == text


def test_a_long_word_is_looked_through_once() -> None:
    """A crashed program's last words may be a hex dump; looking at it must not take minutes."""
    assert masked("a1" * 500_000) == "a1" * 500_000


def test_what_a_phase_says_is_masked_wherever_it_says_it() -> None:
    class Talker(Action):
        name = "talker"

        def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
            return {"said": "password=hunter2"}

        def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
            return Diagnosis("needed", "busy: token=hunter2", "忙：密码：hunter2", {"unit": "a"})

        def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
            return Finding(True, "paid 4111111111111111", "password=hunter2")

    told = diagnosed(Talker(), Host(), {})
    found = verified(Talker(), Host(), Diagnosis("needed", "", ""), {}, 0.0)
    assert "hunter2" not in f"{told} {found}"
    assert "4111111111111111" not in str(found)
    assert told["diagnosis"]["plan"] == {"unit": "a"}
