# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence leaves the host without what looks like a secret, and is otherwise as it was."""

from __future__ import annotations

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.heal.masking import masked


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
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert masked(text) == text


def test_a_long_word_is_looked_through_once() -> None:
    """A crashed program's last words may be a hex dump; looking at it must not take minutes."""
    assert masked("a1" * 500_000) == "a1" * 500_000
