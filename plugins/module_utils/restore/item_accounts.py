# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``account``: one user's or one group's lines, so that others' later changes stay.

A user is his line in passwd and shadow, his ranges in subuid and subgid, and the groups that list
him; a group is its line in group and gshadow. Home folders and mail boxes are ``tree`` items.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from typing import Any, Iterator

from .context import Context
from .disk import fresh, sync_folder
from .failures import BadItem, RestoreError
from .item import Item, Kind, Saved, names_of

_USER_FILES = ("/etc/passwd", "/etc/shadow", "/etc/subuid", "/etc/subgid")
_GROUP_FILES = ("/etc/group", "/etc/gshadow")
# What an item may be limited to: file and column, counted from 0 (shadow(5), passwd(5)).
_COLUMNS = {
    "max": ("/etc/shadow", 4),
    "warn": ("/etc/shadow", 5),
    "expires": ("/etc/shadow", 7),
    "shell": ("/etc/passwd", 6),
}
_GROUPS = "groups"  # the user's memberships
_PARTS = (*_COLUMNS, _GROUPS)
_LOCK = "/etc/.pwd.lock"
_PATIENCE = 15.0
_NAMES = ("user", "group")


class Account(Kind):
    """``user`` or ``group``: its name. ``only``: parts of a user (max, warn, expires,
    shell, groups), all else stays.

    An undo of the whole line brings back the old password too, also when its owner has changed
    it since; so whoever touches one part keeps that part alone.
    """

    name = "account"
    optional = ("user", "group", "only")

    def check(self, context: Context, item: Item) -> Item:
        found = super().check(context, item)
        given = [key for key in _NAMES if item.get(key)]
        if len(given) != 1 or not isinstance(item[given[0]], str):
            raise BadItem("account: name either a user or a group")
        if any(mark in item[given[0]] for mark in ":\n,/ "):
            raise BadItem("account: {0!r} is no name".format(item[given[0]]))
        unknown = [one for one in names_of(item, "only") if one not in _PARTS]
        if unknown or (item.get("only") and "user" not in item):
            raise BadItem("account: only is about a user's {0}".format(", ".join(_PARTS)))
        return found

    def label(self, item: Item) -> str:
        words = ["{0} {1}".format(key, item[key]) for key in _NAMES if key in item]
        return " ".join([*words, *item.get("only", [])])

    def observe(self, context: Context, item: Item) -> Saved:
        name, only = item.get("user") or item["group"], item.get("only")
        files = _USER_FILES if "user" in item else _GROUP_FILES
        state: Saved = {}
        if only:
            found = [one for one in only if one in _COLUMNS]
            state["columns"] = {one: _column(context, name, one) for one in found}
        else:
            state["lines"] = {one: _line(context, one, name) for one in files}
        if _GROUPS in only if only else "user" in item:
            state["member"] = {one: sorted(_seats(context, one, name)) for one in _GROUP_FILES}
        return state

    def keep(self, context: Context, item: Item, state: Saved) -> Saved:
        name = item.get("user") or item["group"]
        after = {one: _before(context, one, name) for one in state.get("lines", {})}
        seats = {one: _seats(context, one, name) for one in state.get("member", {})}
        return {"after": after, "seats": seats}

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        if self.observe(context, item) == saved["state"]:
            return False
        name = item.get("user") or item["group"]
        with _locked(context):
            for column, value in saved["state"].get("columns", {}).items():
                _edit(context, _COLUMNS[column][0], _ColumnBack(name, column, value))
            for path, line in saved["state"].get("lines", {}).items():
                _edit(context, path, _LineBack(name, line, saved["extra"]["after"][path]))
            for path, seats in saved["extra"].get("seats", {}).items():
                _edit(context, path, _SeatsBack(name, seats))
        return True


def _lines(context: Context, path: str) -> list[str]:
    try:
        with open(context.host.at(path), encoding="utf-8", errors="surrogateescape") as source:
            # Not splitlines(): a person's name may hold what that takes for the end of a line.
            text = source.read()
    except FileNotFoundError:
        return []
    return text[: -1 if text.endswith("\n") else None].split("\n") if text else []


def _name(line: str) -> str:
    return line.split(":", 1)[0]


def _line(context: Context, path: str, name: str) -> str | None:
    """The account's lines, as one text: subuid may have several."""
    found = [line for line in _lines(context, path) if _name(line) == name]
    return "\n".join(found) if found else None


def _before(context: Context, path: str, name: str) -> str | None:
    """Whose line stands before it."""
    above = None
    for line in _lines(context, path):
        if _name(line) == name:
            return above
        above = _name(line)
    return None


def _seats(context: Context, path: str, name: str) -> dict[str, int]:
    """Group -> place of the user in its last field."""
    found = {}
    for line in _lines(context, path):
        members = line.split(":")[-1].split(",")
        if name in members:
            found[_name(line)] = members.index(name)
    return found


def _column(context: Context, name: str, column: str) -> str | None:
    """What stands in the column; None without the account."""
    path, place = _COLUMNS[column]
    fields = (_line(context, path, name) or "").split(":")
    return fields[place] if len(fields) > place else None


class _ColumnBack:
    """Puts one column of one account back; an account that is gone stays gone."""

    def __init__(self, name: str, column: str, value: str | None) -> None:
        self._name, self._place, self._value = name, _COLUMNS[column][1], value

    def __call__(self, lines: list[str]) -> list[str]:
        return [self._user(line) if _name(line) == self._name else line for line in lines]

    def _user(self, line: str) -> str:
        fields = line.split(":")
        if len(fields) > self._place and self._value is not None:
            fields[self._place] = self._value
        return ":".join(fields)


class _LineBack:
    """Puts one account's line back where it stood."""

    def __init__(self, name: str, line: str | None, after: str | None) -> None:
        self._name, self._line, self._after = name, line, after

    def __call__(self, lines: list[str]) -> list[str]:
        place = next((n for n, line in enumerate(lines) if _name(line) == self._name), None)
        rest = [line for line in lines if _name(line) != self._name]
        if self._line is None:
            return rest
        if place is None:
            names = [_name(line) for line in rest]
            place = names.index(self._after) + 1 if self._after in names else len(rest)
        return rest[:place] + self._line.split("\n") + rest[place:]


class _SeatsBack:
    """Puts the user back into the groups that listed him, and out of all others."""

    def __init__(self, name: str, seats: dict[str, int]) -> None:
        self._name, self._seats = name, seats

    def __call__(self, lines: list[str]) -> list[str]:
        return [self._group(line) for line in lines]

    def _group(self, line: str) -> str:
        head, colon, last = line.rpartition(":")
        members = last.split(",") if last else []
        if (self._name in members) == (_name(line) in self._seats):
            return line
        rest = [one for one in members if one != self._name]
        if _name(line) in self._seats:
            rest.insert(self._seats[_name(line)], self._name)
        return head + colon + ",".join(rest)


def _edit(context: Context, path: str, change: Any) -> None:
    before = _lines(context, path)
    after = change(list(before))
    if after == before:
        return
    real = context.host.at(path)
    status = os.stat(real)
    new = real + ".storewarden"
    with fresh(new, 0o600) as target:
        text = "".join(line + "\n" for line in after)
        target.write(text.encode("utf-8", "surrogateescape"))
        target.flush()
        os.fchown(target.fileno(), status.st_uid, status.st_gid)
        os.fchmod(target.fileno(), stat.S_IMODE(status.st_mode))
        for attribute in os.listxattr(real):
            # The label without which sshd may not read the new shadow file.
            os.setxattr(target.fileno(), attribute, os.getxattr(real, attribute))
        os.fsync(target.fileno())
    os.replace(new, real)
    sync_folder(os.path.dirname(real))


@contextlib.contextmanager
def _locked(context: Context) -> Iterator[None]:
    """The lock of lckpwdf(3), which useradd and passwd take as well."""
    handle = os.open(context.host.at(_LOCK), os.O_WRONLY | os.O_CREAT, 0o600)
    end = time.monotonic() + _PATIENCE
    try:
        while True:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    raise RestoreError("another program holds " + _LOCK) from None
                time.sleep(0.1)
        yield
    finally:
        os.close(handle)
