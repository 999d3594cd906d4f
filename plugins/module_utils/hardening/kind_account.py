# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``account``: lock a password, take the login shell away, or set the day on which an account ends.

An account with user id 0 is root under another name, and one with SSH keys has somebody who comes
in by it: both are named and left to a person.
"""

from __future__ import annotations

import datetime
from typing import Any, Callable, Dict, NamedTuple, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import account_use
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step

_NOLOGIN = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false")

_Spared = Callable[[Any, Dict[str, Any]], Optional[Dict[str, str]]]


class _Deed(NamedTuple):
    """One thing to be done to one account."""

    name: str
    change: Change
    argv: tuple[str, ...]
    only: str | None = None  # the one column that is touched; None for the whole account

    def item(self) -> dict[str, Any]:
        """An undo must not bring back a password or memberships that were changed in between."""
        found: dict[str, Any] = {"kind": "account", "user": self.name}
        return {**found, "only": [self.only]} if self.only else found


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``lock`` and ``no_shell``: lists of ``select`` as of the getter users; ``expire``
    {group, register, longer_than} as of the getter temporary_accounts."""
    left: list[dict[str, str]] = []
    deeds = [_lock(user) for user in _selected(system, fix.get("lock", []), left, _is_root)]
    shells = _selected(system, fix.get("no_shell", []), left, _is_a_way_in)
    deeds += [_no_shell(system, user) for user in shells]
    deeds += _expiries(system, fix.get("expire"), left)

    def act(hands: Any) -> None:
        for one in deeds:
            hands.run(list(one.argv))

    return Step(
        tuple(one.change for one in deeds),
        tuple(one.item() for one in deeds),
        act,
        remains=tuple(left),
    )


def _selected(
    system: Any, selects: list[dict[str, Any]], left: list[dict[str, str]], spared: _Spared
) -> list[dict[str, Any]]:
    """Accounts of one of the selects, without those that must not be cut off."""
    found: list[dict[str, Any]] = []
    for select in selects:
        for user in GETTERS["users"].look(system, {"select": select}):
            reason = spared(system, user)
            if reason and reason not in left:
                left.append(reason)
            if not reason and user not in found:
                found.append(user)
    return found


def _is_root(_system: Any, user: dict[str, Any]) -> dict[str, str] | None:
    if user["uid"] != 0:
        return None
    return {
        "en": "{0}: it has user id 0, so its password and shell are left to a person".format(
            user["name"]
        ),
        "zh": "{0}：该账户 UID 为 0，其口令和登录 Shell 须人工处理".format(user["name"]),
    }


def _is_a_way_in(system: Any, user: dict[str, Any]) -> dict[str, str] | None:
    if not account_use.has_keys(system, user):
        return _is_root(system, user)
    return {
        "en": "{0}: it logs in with SSH keys: take them away, or exempt it".format(user["name"]),
        "zh": "{0}：该账户使用 SSH 密钥登录：请删除密钥或登记例外".format(user["name"]),
    }


def _lock(user: dict[str, Any]) -> _Deed:
    change = Change(user["name"] + ": password", user["password"], "locked")
    return _Deed(user["name"], change, ("usermod", "--lock", user["name"]))


def _no_shell(system: Any, user: dict[str, Any]) -> _Deed:
    shell = next((one for one in _NOLOGIN if system.exists(one)), _NOLOGIN[0])
    change = Change(user["name"] + ": shell", user["shell"], shell)
    return _Deed(user["name"], change, ("usermod", "--shell", shell, user["name"]), "shell")


def _expiries(system: Any, query: dict[str, Any] | None, left: list[dict[str, str]]) -> list[_Deed]:
    deeds = []
    for one in GETTERS["temporary_accounts"].look(system, query) if query else []:
        if one["start"] is None:
            left.append(_unregistered(one["name"]))
            continue
        start = datetime.datetime.strptime(one["start"], "%Y-%m-%d").date()
        end = (start + datetime.timedelta(days=int((query or {})["longer_than"]))).isoformat()
        change = Change(one["name"] + ": account ends", one["expires"], end)
        deeds.append(_Deed(one["name"], change, ("chage", "-E", end, one["name"]), "expires"))
    return deeds


def _unregistered(name: str) -> dict[str, str]:
    return {
        "en": "{0}: nobody registered when it began, so it has no end: register it in "
        "baseline_accounts_temp_accounts or delete it".format(name),
        "zh": "{0}：未登记启用日期，无法设置到期日：请登记到 "
        "baseline_accounts_temp_accounts 或删除该账户".format(name),
    }
