# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets have no place in a rollout file: what it says is journaled, and stands on the ticket.

A secret cannot be told from other text by looking at it, so this finds what people write by
mistake: a password under its own name, a private key, a vaulted value, an address with a password
in it. Where roles need secrets, they get them from the (vaulted) inventory of each host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NAMED = re.compile(
    r"(^|[_.-])(password|passwd|passphrase|pwd|secret|token|api_?key|private_?key|access_?key"
    r"|secret_?key|credentials?)$",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"(file|env|vault):")
"""Gates name where their secrets are; the secret itself stays there."""

_INSIDE = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"), "a private key"),
    (re.compile(r"\$ANSIBLE_VAULT;"), "a vaulted value"),
    (re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@", re.IGNORECASE), "a password in a URL"),
)

type Place = tuple[str | int, ...]


def secrets_in(options: Mapping[str, object]) -> Iterator[tuple[Place, str]]:
    """Where ``options`` hold what looks like a secret, and what it looks like. Never its text."""
    return _found((), options)


def _found(place: Place, value: object) -> Iterator[tuple[Place, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _entry((*place, str(key)), str(key), inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _found((*place, number), inner)
    elif isinstance(value, str):
        for pattern, what in _INSIDE:
            if pattern.search(value):
                yield place, what


def _entry(place: Place, key: str, value: object) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str) and _NAMED.search(key) and value and not _REFERENCE.match(value):
        yield place, "a secret, by its name"
    else:
        yield from _found(place, value)
