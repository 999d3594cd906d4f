# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Local accounts: who they are and how old their passwords are; never a hash."""

from __future__ import annotations

import datetime
import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    PERMISSION,
    QUERY,
    ProbeError,
)

_NO_LOGIN = ("nologin", "false", "true", "sync", "shutdown", "halt")
_SELECT = (
    *("uid", "group_any", "shell_login", "password", "name", "name_not"),
    *("hash_id", "hashed", "max_not_between"),
)
_EPOCH = datetime.date(1970, 1, 1)  # shadow(5) counts days from here
_DAYS = {"last_change_day": 2, "min": 3, "max": 4, "warn": 5, "expire_day": 7}


def _users(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    select = query.get("select") or {}
    unknown = [key for key in select if key not in _SELECT]
    if unknown:
        raise ProbeError(QUERY, "users knows no select.{0}".format(unknown[0]))
    return [user for user in accounts(system) if _selected(user, select)]


def accounts(system: Any) -> list[dict[str, Any]]:
    """Every account of /etc/passwd with what /etc/shadow and /etc/group say of it."""
    found: list[dict[str, Any]] = system.remember(("users",), lambda: _everyone(system))
    return found


def _everyone(system: Any) -> list[dict[str, Any]]:
    shadow = {row[0]: row for row in _rows(system, "/etc/shadow", 2)}
    passwd = _rows(system, "/etc/passwd", 7)
    if not shadow and any(row[1] == "x" for row in passwd):
        raise ProbeError(PERMISSION, "/etc/shadow is empty or missing")
    groups = _rows(system, "/etc/group", 4)
    names = {row[2]: row[0] for row in groups}
    return [_user(row, shadow.get(row[0]), names, groups) for row in passwd if row[2].isdigit()]


def _rows(system: Any, path: str, fields: int) -> list[list[str]]:
    rows = [line.split(":") for line in system.lines(path) if line and line[0] not in "#+-"]
    return [row for row in rows if len(row) >= fields]


def _user(
    row: list[str],
    shadow: list[str] | None,
    names: dict[str, str],
    groups: list[list[str]],
) -> dict[str, Any]:
    member = [group[0] for group in groups if row[0] in group[3].split(",")]
    primary = names.get(row[3], row[3])
    field = shadow[1] if shadow and row[1] == "x" else None if row[1] == "x" else row[1]
    user: dict[str, Any] = {
        "name": row[0],
        "uid": int(row[2]),
        "gid": int(row[3]) if row[3].isdigit() else None,
        "shell": row[6] or "/bin/sh",  # login(1): an empty field means /bin/sh
        "groups": sorted({*member, primary}),
        "password": _password_state(field),
        "hash_id": _hash_id(field),
    }
    for name, column in _DAYS.items():
        text = shadow[column] if shadow and len(shadow) > column else ""
        user[name] = int(text) if re.match(r"-?\d+$", text) else None
    return user


def _password_state(field: str | None) -> str:
    """usable, locked (no password fits), empty (none is asked for), none (no shadow entry)."""
    if field is None:
        return "none"
    if field == "":
        return "empty"
    return "locked" if field[0] in "!*" else "usable"


def _hash_id(field: str | None) -> str | None:
    """The crypt(5) id of the hash (y, gy, 7, 6, 5, 2b, 1, des); None where there is no hash."""
    text = (field or "").lstrip("!*")
    match = re.match(r"\$([0-9a-z]+)[$,]", text)
    if match:
        return match.group(1)
    return "des" if re.match(r"[./0-9A-Za-z]{13}$|_", text) else None


def _selected(user: dict[str, Any], select: dict[str, Any]) -> bool:
    tests = {
        "uid": lambda want: any(_uid_fits(user["uid"], one) for one in texts(want)),
        "group_any": lambda want: bool(set(texts(want)) & set(user["groups"])),
        "shell_login": lambda want: logs_in(user["shell"]) is bool(want),
        "password": lambda want: user["password"] in texts(want),
        "hash_id": lambda want: user["hash_id"] in texts(want),
        "hashed": lambda want: (user["hash_id"] is not None) is bool(want),
        # no maximum at all is outside every range
        "max_not_between": lambda want: (
            not (user["max"] is not None and int(want[0]) <= user["max"] <= int(want[1]))
        ),
        "name": lambda want: user["name"] in texts(want),
        "name_not": lambda want: user["name"] not in texts(want),
    }
    return all(tests[key](want) for key, want in select.items())


def logs_in(shell: str) -> bool:
    return shell.rsplit("/", 1)[-1] not in _NO_LOGIN


def _uid_fits(uid: int, condition: str) -> bool:
    match = re.match(r"(<=|>=|<|>|)(\d+)$", condition.replace(" ", ""))
    if not match:
        raise ProbeError(QUERY, "select.uid {0!r} is not a number or <, >=".format(condition))
    bound = int(match.group(2))
    return {
        "": uid == bound,
        "<": uid < bound,
        ">": uid > bound,
        "<=": uid <= bound,
        ">=": uid >= bound,
    }[match.group(1)]


def _temporary_accounts(system: Any, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Members of ``group`` and accounts of the ``register`` ([{name, start}]), with their ends.

    ``expires`` is the first day on which the account no longer works; ``days`` lie between the
    two, None when one of them is missing. With ``longer_than`` only accounts of more days, or of
    unknown many.
    """
    starts = {str(one["name"]): _day(one["start"]) for one in query.get("register") or []}
    found = [
        _temporary(user, starts.get(user["name"]))
        for user in accounts(system)
        if user["name"] in starts or str(query["group"]) in user["groups"]
    ]
    if "longer_than" not in query:
        return found
    longest = int(query["longer_than"])
    return [one for one in found if one["days"] is None or one["days"] > longest]


def _temporary(user: dict[str, Any], start: datetime.date | None) -> dict[str, Any]:
    day = user["expire_day"]
    end = None if day is None or day < 0 else _EPOCH + datetime.timedelta(days=day)
    return {
        "name": user["name"],
        "start": start.isoformat() if start else None,
        "expires": end.isoformat() if end else None,
        "days": (end - start).days if start and end else None,
    }


def _day(text: Any) -> datetime.date:
    try:
        return datetime.datetime.strptime(str(text), "%Y-%m-%d").date()
    except ValueError:
        raise ProbeError(QUERY, "{0!r} is not a day like 2026-01-31".format(text)) from None


GETTERS = (
    Getter("users", _users, optional=("select",)),
    Getter("temporary_accounts", _temporary_accounts, ("group",), ("register", "longer_than")),
)
