# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which SQL a control may ask: one question, built from words that only read.

A read-only session is not enough. ``SELECT pg_terminate_backend(1)`` and ``SELECT lo_export(..)``
write nothing into a table, ``INTO OUTFILE`` writes a file from a read-only transaction, and the
MariaDB client itself obeys a backslash. So a statement may call functions of a list only, and
what could hide a word from this reader (comments, quoted names that are called) is refused.
"""

from __future__ import annotations

import re
from typing import Any

_STATEMENT = re.compile(r"^\s*(select|show)\b[^;]*;?\s*$", re.I | re.S)
# '..', ".." and `..` with the quote itself doubled inside
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`")
_QUOTES = "'\"`"
_CALL = re.compile(r"([A-Za-z_][\w.]*|'')\s*\(")
_HIDDEN = (
    ("--", "a comment"),
    ("/*", "a comment"),
    ("#", "a comment"),
    ("$", "a dollar sign"),
)
_WRITING = re.compile(
    r"\b(into|outfile|dumpfile|for\s+(update|share|no\s+key)|lock\s+in|procedure)\b", re.I
)
# Words that may stand in front of a bracket: of the language, and functions that only read.
_CALLS = frozenset(
    """
    all and any array as between by case else exists filter from having if in interval is like not
    on or over select some then union using values when where
    abs array_agg array_length array_to_string avg bool_and bool_or cast char_length coalesce concat
    concat_ws count current_database current_setting current_user date date_part datetime extract
    family find_in_set floor group_concat greatest hex host ifnull inet_server_port json_extract
    json_length json_unquote json_valid json_value julianday least left length lower masklen max min
    now nullif pg_conf_load_time pg_postmaster_start_time position regexp_like replace right round
    split_part strftime string_agg substr substring sum trim typeof unnest upper version
    """.split()
)


def refusal(statement: Any) -> str | None:
    """Why a control may not run this statement, or None."""
    if not isinstance(statement, str) or not _STATEMENT.match(statement):
        return "statement must be one SELECT or SHOW"
    bare = _QUOTED.sub("''", statement)
    hidden = _hidden(statement, bare)
    if hidden:
        return "statement must be one SELECT or SHOW " + hidden
    writing = _WRITING.search(bare)
    if writing:
        return "statement must only read, and says {0}".format(writing.group(0).upper())
    for name in _CALL.findall(bare):
        if name.lower() not in _CALLS:
            said = "a quoted name" if name == "''" else name
            return "statement calls {0}, which is not among the functions that only read".format(
                said
            )
    return None


def _hidden(statement: str, bare: str) -> str:
    """What would make the server read something else than we do; ``bare``: without its texts."""
    if "\\" in statement:  # ends a text early, and begins the MariaDB client's own commands
        return "without a backslash"
    if any(quote in bare.replace("''", "") for quote in _QUOTES):
        return "with all its quotes closed"
    return next(("without " + what for mark, what in _HIDDEN if mark in bare), "")


def one_line(statement: str) -> str:
    """The statement without line ends (a client may take a line for a command) and semicolon."""
    return " ".join(statement.split("\n")).replace("\r", " ").strip().rstrip(";").strip()
