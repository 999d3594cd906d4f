# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether sshd would still let this user in from this address, asked of sshd itself.

The planned configuration is laid out in a folder of its own and shown to ``sshd -T -C``. What sshd
refuses to read is left to the check after the change, which takes it back.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import os
import re
import shutil
import tempfile
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.daemons import (
    effective,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError

Settings = dict[str, list[str]]
Reason = tuple[tuple[str, ...], dict[str, str]]
_MAIN = "/etc/ssh/sshd_config"
_INCLUDE = re.compile(r"^(\s*include\s+)(.*)$", re.I)
_PASSWORDS = ("passwordauthentication", "kbdinteractiveauthentication")
_DEPTH = 16  # sshd's own limit on nested includes


def reasons(base: Any, overlay: Any, user: str, address: str) -> list[Reason]:
    """(words of the settings concerned, text) for everything that shuts this user out anew."""
    spec = "user={0},host={1},addr={1}".format(user, address)
    try:
        before = effective(base, spec)
        after = planned(base, overlay, spec)
    except ProbeError:
        return []
    if not after:
        return []
    shut = shut_out(base, before, user, address)
    found = shut_out(overlay, after, user, address)
    return [found[word] for word in found if word not in shut] + _keys(before, after, overlay)


def planned(base: Any, overlay: Any, spec: str) -> Settings:
    """sshd's settings for this connection as they would be; empty when sshd refuses the file."""
    folder = tempfile.mkdtemp(prefix="storewarden-sshd-")
    try:
        main = _laid_out(overlay, _MAIN, folder, 0)
        said = base.run(["sshd", "-T", "-f", main, "-C", spec])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    settings: Settings = {}
    for line in said.stdout.splitlines() if said.rc == 0 else []:
        key, _blank, value = line.strip().partition(" ")
        settings.setdefault(key.lower(), []).append(value.strip())
    return settings


def _laid_out(overlay: Any, path: str, folder: str, depth: int) -> str:
    """A copy of the file whose includes lead to copies; its name."""
    lines = []
    for line in overlay.lines(path):
        match = _INCLUDE.match(line)
        if match and depth < _DEPTH:
            names = [
                _laid_out(overlay, one, folder, depth + 1)
                for pattern in match.group(2).split()
                for one in sorted(overlay.glob(_absolute(pattern)))
            ]
            lines.append(match.group(1) + " ".join(names) + "\n" if names else "\n")
            continue
        lines.append(line + "\n")
    handle, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as target:
        target.writelines(lines)
    return name


def _absolute(pattern: str) -> str:
    pattern = pattern.strip('"')
    return pattern if pattern.startswith("/") else "/etc/ssh/" + pattern


def shut_out(system: Any, settings: Settings, user: str, address: str) -> dict[str, Reason]:
    """Word -> reason, for every rule by which this user does not get in."""
    found: dict[str, Reason] = {}

    def add(words: tuple[str, ...], en: str, zh: str) -> None:
        found[words[0]] = (words, {"en": en, "zh": zh})

    if user == "root" and _one(settings, "permitrootlogin") in ("no", "forced-commands-only"):
        add(
            ("permitrootlogin",),
            "this connection logs in as root, and root login would be refused (connect as another"
            " user with sudo first)",
            "当前以 root 登录，而 root 登录将被禁止（请先改用具有 sudo 权限的其他用户连接）",
        )
    groups = groups_of(system, user)
    if not _admitted(settings, user, groups, address):
        add(
            ("allowusers", "denyusers", "allowgroups", "denygroups"),
            "{0} from {1} would not be among those who may log in".format(user, address),
            "来自 {1} 的 {0} 将不在允许登录的名单内".format(user, address),
        )
    if _without_passwords(settings, user) and not _has_key(system, settings, user):
        add(
            (*_PASSWORDS, "permitrootlogin", "authorizedkeysfile", "pubkeyauthentication"),
            "{0} has no authorized key, and passwords would be refused".format(user),
            "{0} 没有授权密钥，而口令登录将被禁止".format(user),
        )
    methods = _one(settings, "authenticationmethods") or "any"
    if methods != "any" and all("," in one for one in methods.split()):
        add(
            ("authenticationmethods",),
            "{0} would need more than one factor ({1}), which an unattended connection has"
            " not".format(user, methods),
            "{0} 登录将需要多个鉴别因素（{1}），无人值守连接无法满足".format(user, methods),
        )
    return found


def _one(settings: Settings, key: str) -> str:
    return (settings.get(key) or [""])[0].lower()


def _without_passwords(settings: Settings, user: str) -> bool:
    if user == "root" and _one(settings, "permitrootlogin").replace("without", "prohibit") == (
        "prohibit-password"
    ):
        return True
    return all(_one(settings, key) == "no" for key in _PASSWORDS)


def _has_key(system: Any, settings: Settings, user: str) -> bool:
    """Whether a key, or something that stands for one, lets the user in."""
    if _one(settings, "pubkeyauthentication") == "no":
        return False
    for key in ("authorizedkeyscommand", "trustedusercakeys"):
        if _one(settings, key) not in ("", "none"):
            return True
    entry = next((one for one in _passwd(system) if one[0] == user), None)
    if entry is None:
        return True  # a user of a directory; its keys may be there as well
    for line in settings.get("authorizedkeysfile", []):
        for pattern in line.split():
            path = pattern.replace("%h", entry[5]).replace("%u", user).replace("%%", "%")
            path = path if path.startswith("/") else entry[5].rstrip("/") + "/" + path
            if any(text.strip() and text.strip()[0] != "#" for text in system.lines(path)):
                return True
    return False


def _passwd(system: Any) -> list[list[str]]:
    rows = [line.split(":") for line in system.lines("/etc/passwd")]
    return [row for row in rows if len(row) > 6]


def groups_of(system: Any, user: str) -> set[str]:
    """Names of the user's groups, as far as local files know them."""
    primary = {row[3] for row in _passwd(system) if row[0] == user}
    found = set()
    for line in system.lines("/etc/group"):
        fields = line.split(":")
        if len(fields) > 3 and (fields[2] in primary or user in fields[3].split(",")):
            found.add(fields[0])
    return found


def _admitted(settings: Settings, user: str, groups: set[str], address: str) -> bool:
    """sshd_config(5): deny comes before allow, users before groups."""
    users = (user, address)
    if any(_matches(one, *users) for one in _words(settings, "denyusers")):
        return False
    allowed = _words(settings, "allowusers")
    if allowed and not _listed(allowed, lambda one: _matches(one, *users)):
        return False
    if any(
        fnmatch.fnmatchcase(group, one)
        for one in _words(settings, "denygroups")
        for group in groups
    ):
        return False
    allowed = _words(settings, "allowgroups")
    return not allowed or _listed(
        allowed, lambda one: any(fnmatch.fnmatchcase(group, one) for group in groups)
    )


def _words(settings: Settings, key: str) -> list[str]:
    return [word for line in settings.get(key, []) for word in line.split()]


def _listed(patterns: list[str], fits: Any) -> bool:
    """A pattern list: a negated pattern that fits refuses, whatever else fits."""
    if any(one.startswith("!") and fits(one[1:]) for one in patterns):
        return False
    return any(not one.startswith("!") and fits(one) for one in patterns)


def _matches(pattern: str, user: str, address: str) -> bool:
    name, at, host = pattern.partition("@")
    if not fnmatch.fnmatchcase(user, name):
        return False
    if not at:
        return True
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(host, strict=False)
    except ValueError:
        return fnmatch.fnmatchcase(address, host)


def _keys(before: Settings, after: Settings, overlay: Any) -> list[Reason]:
    """A client that knows the old host key will not talk to a host with another one."""
    gone = [one for one in before.get("hostkey", []) if one not in after.get("hostkey", [])]
    gone += [path for path in overlay.written if re.search(r"/ssh_host_\w+_key(\.pub)?$", path)]
    if not gone:
        return []
    names = ", ".join(sorted(set(gone)))
    return [
        (
            ("hostkey", "ssh_host_"),
            {
                "en": "host keys would change: {0}".format(names),
                "zh": "主机密钥将改变：{0}".format(names),
            },
        )
    ]
