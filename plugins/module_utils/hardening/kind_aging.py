# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``aging``: how long passwords live: /etc/login.defs for accounts to come, shadow for those here.

A new maximum takes effect at once for a password that is older than it. Its owner must change it
at the next login, which a person can and a program cannot: cron, sudo and SSH with a key refuse
such an account. So an older password of an account that programs use is left alone and named.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    account_use,
    text_edits,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.text_edits import (
    LOGIN_DEFS,
    Edit,
)

_DEFS = "/etc/login.defs"
_DAY = 86400
_OPTIONS = {"max": "-M", "warn": "-W"}


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``accounts`` (list of ``select`` as of the getter users); ``max`` and ``warn`` in days;
    ``login_defs`` {KEY: value, or a list of which the first good one is taken} with ``good`` {KEY:
    expect}; ``automation``: names that programs use; ``stored``: accepted ids of hashes."""
    writings = text_edits.written(system, _defs(system, fix))
    chosen, left = _chosen(system, fix)
    left += _old_hashes(system, fix)
    commands = [["chage", _OPTIONS[what], str(fix[what]), user["name"]] for user, what in chosen]
    if not writings and not chosen:
        return Step(remains=tuple(left))
    changes = [_defs_change(system, fix, key) for key in _bad_keys(system, fix)]
    changes += [
        Change("{0}: {1} days".format(user["name"], what), user[what], fix[what])
        for user, what in chosen
    ]
    names = dict.fromkeys(user["name"] for user, _what in chosen)
    items = [*text_edits.items(system, writings), *map(_item, names)]

    def act(hands: Any) -> None:
        text_edits.make(hands, writings)
        for argv in commands:
            hands.run(argv)

    return Step(tuple(changes), tuple(items), act, remains=tuple(left))


def _item(name: str) -> dict[str, Any]:
    """Only the ages: an undo must not bring back a password that was changed in between."""
    return {"kind": "account", "user": name, "only": ["max", "warn"]}


def _bad_keys(system: Any, fix: dict[str, Any]) -> list[str]:
    text = text_edits.text_of(system, _DEFS)
    found = []
    for key, value in fix.get("login_defs", {}).items():
        now = text_edits.value_in(text, key, LOGIN_DEFS)
        if not text_edits.good(system, _expect(fix, key, value), now):
            found.append(key)
    return found


def _expect(fix: dict[str, Any], key: str, value: Any) -> Any:
    return fix.get("good", {}).get(key, {"eq": str(value)})


def _value(system: Any, fix: dict[str, Any], key: str) -> Any:
    value = fix["login_defs"][key]
    return text_edits.first_good(system, _expect(fix, key, value), value)


def _defs(system: Any, fix: dict[str, Any]) -> list[Edit]:
    return [
        Edit(
            _DEFS,
            partial(
                text_edits.with_setting,
                name=key,
                value=_value(system, fix, key),
                style=LOGIN_DEFS,
            ),
        )
        for key in _bad_keys(system, fix)
    ]


def _defs_change(system: Any, fix: dict[str, Any], key: str) -> Change:
    now = text_edits.value_in(text_edits.text_of(system, _DEFS), key, LOGIN_DEFS)
    return Change("{0}: {1}".format(_DEFS, key), now, _value(system, fix, key))


def _chosen(
    system: Any, fix: dict[str, Any]
) -> tuple[list[tuple[dict[str, Any], str]], list[dict[str, str]]]:
    """(account, max or warn) to be set, and what is left to a person."""
    chosen: list[tuple[dict[str, Any], str]] = []
    left: list[dict[str, str]] = []
    for user in _users(system, fix):
        if fix.get("max") is not None and not 1 <= (user["max"] or 0) <= int(fix["max"]):
            reason = _no_maximum(system, fix, user)
            if reason:
                left.append(reason)
            else:
                chosen.append((user, "max"))
        if fix.get("warn") is not None and (user["warn"] or 0) < int(fix["warn"]):
            chosen.append((user, "warn"))
    return chosen, left


def _users(system: Any, fix: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for select in fix["accounts"]:
        rows = GETTERS["users"].look(system, {"select": {**select, "password": "usable"}})
        found += [row for row in rows if row not in found]
    return found


def _no_maximum(system: Any, fix: dict[str, Any], user: dict[str, Any]) -> dict[str, str] | None:
    """Why this account's password is not given its maximum today."""
    changed = user["last_change_day"]
    today = int(system.now() // _DAY)
    if changed is None or changed + int(fix["max"]) >= today:
        return None
    use = account_use.used_by_programs(system, user, fix.get("automation", []))
    if use is None:
        return None
    words = (user["name"], today - changed, use["en"], use["zh"])
    return {
        "en": "{0}: its password is {1} days old and would expire at once, but {2}: change the "
        "password first".format(*words),
        "zh": "{0}：口令已使用 {1} 天，设置期限后将立即过期，但{3}：请先修改口令".format(*words),
    }


def _old_hashes(system: Any, fix: dict[str, Any]) -> list[dict[str, str]]:
    """A hash cannot be turned into another one; only its owner can, by a new password."""
    if "stored" not in fix:
        return []
    rows = GETTERS["users"].look(system, {"select": {"hashed": True}})
    old = [row for row in rows if row["hash_id"] not in [str(one) for one in fix["stored"]]]
    return [
        {
            "en": "{0}: its password stays stored as {1} until it is changed".format(
                row["name"], row["hash_id"]
            ),
            "zh": "{0}：口令仍以 {1} 散列存储，修改口令后才会更换".format(
                row["name"], row["hash_id"]
            ),
        }
        for row in old
    ]
