# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Journals and process lists are kept as evidence, and people write passwords into both.

What stands behind a word such as ``password`` or ``token``, what a URL carries before its ``@``,
what programs take as passwords on their command lines, card numbers and private keys are replaced
before anything leaves the host. A value too much is masked rather than one too few.
"""

from __future__ import annotations

import re

_MASK = "***"
_WORD = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credentials?|requirepass|masterauth)"
)
_KEY = r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
_DIGITS = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])")
_REST = r"[^\n,;&]*"
_RULES = (
    (re.compile(_KEY + r".*?(?:" + _KEY.replace("BEGIN", "END") + r"|\Z)", re.S), _MASK),
    # Authorization: Bearer abc; also Basic, Digest. Cookie: sid=..; the whole line.
    (re.compile(r"(?i)\b(authorization\s*[:=]\s*)(?:[A-Za-z]+\s+)?\S+"), r"\1" + _MASK),
    (re.compile(r"(?i)\b((?:set-)?cookie2?\s*:\s*)[^\n]+"), r"\1" + _MASK),
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{6,}"), r"\1" + _MASK),
    # postgres://till:secret@db; a password may hold a slash, or an @ of its own.
    (re.compile(r"((?<![A-Za-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s:/@]{0,200}:)[^\s]{1,500}(@)"),
     r"\1" + _MASK + r"\2"),
    # passphrase: my secret words
    (re.compile(r"(?i)(?<![A-Za-z0-9])(pass[ -]?phrase\s*[:=]\s*)(?![\"'])" + _REST),
     r"\1" + _MASK),
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
    # password hunter2, Password for till is x
    (re.compile(r"(?i)(?<![A-Za-z0-9_.-])"
                r"((?:password|passwd|token|secret)\s+for\s+\S+\s+is\s+)\S+"),
     r"\1" + _MASK),
    (re.compile(r"(?i)(?<![A-Za-z0-9_.-])((?:password|passwd|token)\s+(?:is\s+)?)"
                r"(?!for\b|from\b|is\b|was\b|has\b|not\b|and\b|or\b|in\b|of\b|to\b|auth"
                r"|check|changed|expired|file\b|required|accepted|refused|failed|mismatch)"
                r"[^\s,;&]+"),
     r"\1" + _MASK),
    # 密码：x, 口令 x, 令牌=x
    (re.compile(r"((?:密码|口令|密钥|令牌)(?:\s*[:：=]\s*|\s*[是为]\s*|\s+))[^\s，。；,;]+"),
     r"\1" + _MASK),
    # mysql -uroot -phunter2, mysqldump -p'x y'
    (re.compile(r"(\b(?:mysql|mariadb)[a-z-]*\b[^\n|;]{0,300}?\s-p)"
                r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"-]\S*)"),
     r"\1" + _MASK),
    # curl -u till:hunter2, wget --user till:x
    (re.compile(r"(\s(?:-u|--user|--proxy-user)[ =]?[^\s:]{1,100}:)\S+"), r"\1" + _MASK),
    # sshpass -p x, redis-cli -a x
    (re.compile(r"(\bsshpass\b[^\n|;]{0,100}?\s-p\s*)\S+"), r"\1" + _MASK),
    (re.compile(r"(\b(?:redis|valkey)-cli\b[^\n|;]{0,300}?\s-a\s*)\S+"), r"\1" + _MASK),
    # AUTH x, AUTH till x: what Redis is told
    (re.compile(r"(?<![A-Za-z0-9_-])([\"']?AUTH[\"']?[ \t]+)"
                r"(?!LOGIN\b|PLAIN\b|CRAM)\S+(?:[ \t]+\S+)?"),
     r"\1" + _MASK),
)  # fmt: skip


def masked(text: str) -> str:
    """The text without what looks like a secret or a card number."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return _DIGITS.sub(_card, text)


def _card(found: re.Match[str]) -> str:
    """A card number with its first six and last four digits, as receipts may show it (PCI DSS
    3.4); other numbers stay."""
    digits = "".join(one for one in found.group(0) if one.isdigit())
    if not _luhn(digits) or len(set(digits)) == 1:
        return found.group(0)
    return digits[:6] + _MASK + digits[-4:]


def _luhn(digits: str) -> bool:
    total = 0
    for number, one in enumerate(reversed(digits)):
        value = int(one) * (1 + number % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
