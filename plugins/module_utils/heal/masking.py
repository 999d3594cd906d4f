# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Journals and process lists are kept as evidence, and people write passwords into both.

What stands behind a word such as ``password`` or ``token``, what a URL carries before its ``@``,
and private keys are replaced before anything leaves the host. A value too much is masked rather
than one too few.
"""

from __future__ import annotations

import re

_MASK = "***"
_WORD = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credentials?|requirepass|masterauth)"
)
_KEY = r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
_RULES = (
    # Authorization: Bearer abc; also Basic, Digest.
    (re.compile(r"(?i)\b(authorization\s*[:=]\s*)(?:[A-Za-z]+\s+)?\S+"), r"\1" + _MASK),
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{6,}"), r"\1" + _MASK),
    # postgres://till:secret@db
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(@)"), r"\1" + _MASK + r"\2"),
    # password=x, "db_password": "x y", --token x, PGPASSWORD='x'
    (
        re.compile(
            r"(?i)(?<![A-Za-z0-9_.-])([A-Za-z0-9_.-]{0,200}?"
            + _WORD
            + r"[A-Za-z0-9_-]*[\"']?\s*[:=]\s*)"
            r"(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
        ),
        r"\1" + _MASK,
    ),
    (re.compile(r"(?i)(--?" + _WORD + r"[A-Za-z0-9_-]*\s+)(?![-=])\S+"), r"\1" + _MASK),
    (re.compile(_KEY + r".*?(?:" + _KEY.replace("BEGIN", "END") + r"|\Z)", re.S), _MASK),
)


def masked(text: str) -> str:
    """The text without what looks like a secret."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text
