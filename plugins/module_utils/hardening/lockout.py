# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reasons why a group must not be begun: whoever is connected would not get in again.

All of it is judged on the configuration as it would be (overlay.py), and only what the change
itself brings counts: a door that was shut before is not ours.
"""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.sudoers import Sudoers
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import lockout_ssh
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.logged_in import LoggedIn
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.planning import (
    ControlPlan,
    GroupPlan,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.reasons import Text, joined

_SOURCES = "B10"  # the control that limits SSH to the management networks


class Surroundings(NamedTuple):
    """What the judgement needs beside the plan. ``management`` are networks as texts."""

    who: LoggedIn
    management: tuple[str, ...]


def judge(plan: GroupPlan, around: Surroundings) -> Text | None:
    """None when nobody is locked out, else all reasons; each is also noted at its control."""
    found: list[tuple[str, Text]] = []
    for words, text in _ssh(plan, around.who):
        found.append((_blame(plan, words), text))
    found += _sources(plan, around)
    found += _sudo(plan, around.who)
    found += _own_account(plan, around.who)
    for name, text in found:
        for control in plan.changing:
            if control.id == name:
                control.lockout = text
    return joined(found) if found else None


def _ssh(plan: GroupPlan, who: LoggedIn) -> list[tuple[tuple[str, ...], Text]]:
    if who.user is None or who.address is None:
        return []
    if not any(path.startswith("/etc/ssh/") for path in plan.overlay.written):
        return []
    return lockout_ssh.reasons(plan.base, plan.overlay, who.user, who.address)


def _blame(plan: GroupPlan, words: tuple[str, ...]) -> str:
    """The control whose change names one of the words."""
    for control in plan.changing:
        text = " ".join(change.what for change in control.changes).lower()
        if any(word in text for word in words):
            return control.id
    return ""


def _sources(plan: GroupPlan, around: Surroundings) -> list[tuple[str, Text]]:
    """A packet filter that lets in the management networks must let in this connection."""
    concerned = [one for one in plan.changing if one.id == _SOURCES or _filters(one)]
    if not concerned or around.who.address is None:
        return []
    nets = ", ".join(around.management)
    if not nets:
        text = {
            "en": "no management networks are named (set baseline_ssh_mgmt_nets), so nobody could"
            " reach SSH any more",
            "zh": "未登记管理网段（请设置 baseline_ssh_mgmt_nets），执行后将无法通过 SSH 登录",
        }
    elif _within(around.who.address, around.management):
        return []
    else:
        text = {
            "en": "this connection comes from {0}, outside the management networks {1}".format(
                around.who.address, nets
            ),
            "zh": "当前连接来自 {0}，不在管理网段 {1} 之内".format(around.who.address, nets),
        }
    return [(concerned[0].id, text)]


def _filters(control: ControlPlan) -> bool:
    """Whether it filters what comes in; answers to this connection go out in any case."""
    return any(
        fix["kind"] == "firewall" and fix.get("chain") != "output" for fix, _step in control.steps
    )


def _within(address: str, nets: tuple[str, ...]) -> bool:
    try:
        source = ipaddress.ip_address(address)
        mapped = getattr(source, "ipv4_mapped", None)
        found = [ipaddress.ip_network(one.strip(), strict=False) for one in nets]
    except ValueError:
        return False
    return any((mapped or source) in net for net in found)


def _sudo(plan: GroupPlan, who: LoggedIn) -> list[tuple[str, Text]]:
    """The automation user works through sudo without a password, or not at all."""
    touched = [path for path in plan.overlay.written if path.startswith("/etc/sudoers")]
    if not who.sudo or who.user is None or not touched:
        return []
    names = _sudo_names(plan.base, who.user)
    before = names & set(Sudoers(plan.base).without_password())
    after = names & set(Sudoers(plan.overlay).without_password())
    if not before or after:
        return []
    text = {
        "en": "{0} would lose sudo without a password, which this connection needs".format(
            who.user
        ),
        "zh": "{0} 将失去免密 sudo，而当前连接需要该权限".format(who.user),
    }
    return [(_blame(plan, ("/etc/sudoers",)), text)]


def _sudo_names(system: Any, user: str) -> set[str]:
    return {"ALL", user} | {"%" + one for one in lockout_ssh.groups_of(system, user)}


def _own_account(plan: GroupPlan, who: LoggedIn) -> list[tuple[str, Text]]:
    """Locking, or taking the shell of, the account that is at work."""
    for control in plan.changing:
        for fix, step in control.steps:
            mine = any(
                (one["kind"], one.get("user")) == ("account", who.user) for one in step.items
            )
            named = any(_names(change.what, who.user) for change in step.changes)
            if fix["kind"] == "account" and mine and named:
                text = {
                    "en": "it would close the account {0}, which this connection uses".format(
                        who.user
                    ),
                    "zh": "将关闭当前连接所用的账户 {0}".format(who.user),
                }
                return [(control.id, text)]
    return []


def _names(what: str, user: str | None) -> bool:
    return bool(user) and user in what.replace(":", " ").replace(",", " ").split()
