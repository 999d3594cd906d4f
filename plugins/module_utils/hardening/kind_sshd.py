# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``sshd``: settings of the SSH server, in one file of ours that sshd reads first.

sshd itself is asked what holds, so a setting that is good enough stays as it is. Whatever would
win over our file is switched off where it stands: a line that sshd meets before, a Match block
with a worse value, an option on the daemon's command line.
"""

from __future__ import annotations

import ipaddress
import re
from functools import partial
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.daemons import (
    effective,
    spec_text,
    sshd_options,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.units import CONVERSIONS
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import text_edits
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.own_lines import (
    HEADER,
    key_of,
    merged,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.sshd_files import (
    MAIN,
    OURS,
    Config,
    Directive,
    directive_in,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import told
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.text_edits import OFF, Edit

_OPTIONS = ("/etc/default/ssh", "/etc/sysconfig/sshd")
_POLICY = "/etc/crypto-policies/back-ends/opensshserver.config"
_DEBIAN = ("/lib/systemd/system/ssh.service", "/usr/lib/systemd/system/ssh.service")
_LISTS = ("ciphers", "macs", "kexalgorithms")


class _Setting(NamedTuple):
    """A key and its new value; ``value`` None: ours is good, only others' lines are in the way."""

    key: str
    value: str | None
    before: list[str]
    off: list[Directive]


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``settings`` {Key: value, or a list of which the first good one is taken}, ``good`` {Key:
    expect}, ``specs`` (connections to ask about); or ``sources``: networks of AllowUsers."""
    if not system.exists(MAIN):
        return Step()
    if "-f" in sshd_options(system):
        raise FixFailed(
            "sshd is started with a configuration file of its own (-f): change that one by hand",
            "sshd 通过 -f 使用其他配置文件启动：请手工修改该文件",
        )
    config = Config(system)
    bad = [_sources(system, fix, config)] if "sources" in fix else _bad(system, fix, config)
    work = [one for one in bad if one is not None]
    if not work:
        return Step()
    writings = text_edits.written(system, _edits(system, config, work))
    restart = any(one.path in _OPTIONS for one in writings)
    told_to = {
        "check": ["sshd", "-t"],
        "restart" if restart else "reload": _unit(system),
    }
    changes = [change for one in work for change in _changes(system, one)]
    act = partial(text_edits.make, writings=writings)
    return told(told_to, changes if writings else [], text_edits.items(system, writings), act)


# -- what is bad ------------------------------------------------------------------------------


def _bad(system: Any, fix: dict[str, Any], config: Config) -> list[_Setting | None]:
    """What is bad; with it, what is good by sshd's default alone is written down as it is."""
    found = {key: _setting(system, fix, config, key) for key in fix["settings"]}
    if not any(found.values()):
        return []
    written = {one.key for one in config.directives} | set(config.ours)
    for key, setting in found.items():
        values = _values(system, key, [""])
        if setting is None and key.lower() not in (*written, *_LISTS) and len(values) == 1:
            found[key] = _Setting(key, values[0], [], [])
    return list(found.values())


def _setting(system: Any, fix: dict[str, Any], config: Config, key: str) -> _Setting | None:
    choices = fix["settings"][key]
    choices = [str(one) for one in (choices if isinstance(choices, list) else [choices])]
    expect = fix.get("good", {}).get(key, {"all_in": choices})
    plain = _values(system, key, [""])
    specs = ["", *(spec_text(one) for one in fix.get("specs", []))]
    if _fine(system, expect, _values(system, key, specs)):
        return None
    _refuse_policy(system, key)
    mine = [one for one in config.directives if one.key == key.lower()]
    off = [one for one in mine if one.match and not _fine(system, expect, _parts(key, one.value))]
    if _fine(system, expect, plain):
        if not off:
            raise FixFailed(
                "sshd answers a bad {0} for some connections, and no line tells why".format(key),
                "sshd 对部分连接返回不合规的 {0}，但未找到对应的配置行".format(key),
            )
        return _Setting(key, None, plain, off)
    off += [one for one in mine if one.early and not one.match]
    value = next((one for one in choices if _fine(system, expect, _parts(key, one))), choices[0])
    return _Setting(key, value, plain, off)


def _refuse_policy(system: Any, key: str) -> None:
    """RHEL 8 hands its crypto policy to sshd as options, and writes that file itself."""
    if _option(key).search(system.read(_POLICY) or ""):
        raise FixFailed(
            "the system's crypto policy sets {0}: change it with update-crypto-policies".format(
                key
            ),
            "{0} 由系统加密策略设定：请用 update-crypto-policies 修改".format(key),
        )


def _option(key: str) -> Any:
    return re.compile(r"\s*-o\s*{0}[=\s]\s*[^\s\"']+".format(re.escape(key)), re.I)


def _values(system: Any, key: str, specs: list[str]) -> list[str]:
    found: list[str] = []
    for spec in specs:
        for value in effective(system, spec).get(key.lower(), []):
            found += [one for one in _parts(key, value) if one not in found]
    return found


def _parts(key: str, value: str) -> list[str]:
    """A list of algorithms as its members, a duration such as 5m as seconds."""
    if key.lower() in _LISTS:
        return [one.strip() for one in value.split(",") if one.strip()]
    return [str(CONVERSIONS["seconds"](value)) if re.match(r"\d+[smhdwSMHDW]", value) else value]


def _fine(system: Any, expect: dict[str, Any], values: list[str]) -> bool:
    return bool(values) and text_edits.good(system, expect, values)


def _sources(system: Any, fix: dict[str, Any], config: Config) -> _Setting | None:
    """AllowUsers bound to the networks. All its lines count together, so ours must be alone."""
    nets = [str(one) for one in fix["sources"] or []]
    if not nets:
        raise FixFailed(
            "no management network is named: set baseline_ssh_mgmt_nets first",
            "未登记管理网段：请先设置 baseline_ssh_mgmt_nets",
        )
    entries: list[str] = []
    for spec in ["", *(spec_text(one) for one in fix.get("specs", []))]:
        lines = effective(system, spec).get("allowusers", [])
        entries += [word for one in lines for word in one.split() if word not in entries]
    wanted = list(dict.fromkeys(new for one in entries or ["*"] for new in _bound(one, nets)))
    if wanted == entries:
        return None
    off = [one for one in config.directives if one.key == "allowusers"]
    return _Setting("AllowUsers", " ".join(wanted), entries, off)


def _bound(entry: str, nets: list[str]) -> list[str]:
    """The entry when it is bound within the networks, else its user from each network."""
    user, _at, host = entry.rpartition("@") if "@" in entry else (entry, "", "")
    if entry.startswith("!") or (host and _within(host, nets)):
        return [entry]
    return ["{0}@{1}".format(user, net) for net in nets]


def _within(host: str, nets: list[str]) -> bool:
    try:
        source = ipaddress.ip_network(host, strict=False)
    except ValueError:
        return False
    known = [ipaddress.ip_network(one, strict=False) for one in nets]
    return any(source.version == one.version and source.subnet_of(one) for one in known)


# -- what is done about it --------------------------------------------------------------------


def _edits(system: Any, config: Config, work: list[_Setting]) -> list[Edit]:
    lines = ["{0} {1}".format(one.key, one.value) for one in work if one.value is not None]
    edits = []
    if lines:
        edits.append(Edit(OURS, partial(_ours, lines=lines), 0o600))
    if lines and not config.included:
        edits.append(Edit(MAIN, _with_include))
    for path in dict.fromkeys(gone.path for one in work for gone in one.off):
        edits.append(Edit(path, partial(_without, path=path, work=work)))
    keys = [one.key for one in work]
    present = [path for path in _OPTIONS if system.exists(path)]
    return edits + [Edit(path, partial(_without_options, keys=keys)) for path in present]


def _ours(text: str, lines: list[str]) -> str:
    return merged(text or HEADER, lines, key_of(None, None))[0]


def _with_include(text: str) -> str:
    return "Include {0}\n".format(OURS) + text


def _without(text: str, path: str, work: list[_Setting]) -> str:
    """The file without the lines in the way; inside and outside Match blocks are kept apart."""
    gone = {
        (one.key, one.value, one.match) for item in work for one in item.off if one.path == path
    }
    match = all(one.match for item in work for one in item.off if one.path == path)
    inside, found = False, []
    for line in text.split("\n"):
        setting = directive_in(line)
        if setting and setting[0] == "match":
            inside = setting[1].lower() != "all"
        hit = setting is not None and (*setting, inside or match) in gone
        found.append(OFF + line if hit else line)
    return "\n".join(found)


def _without_options(text: str, keys: list[str]) -> str:
    """The daemon's options without ``-o Key=value`` for these keys."""
    lines = text.split("\n")
    for key in keys:
        lines = [one if one.lstrip()[:1] == "#" else _option(key).sub("", one) for one in lines]
    return "\n".join(lines)


def _changes(system: Any, one: _Setting) -> list[Change]:
    found = []
    if one.value is not None:
        before = ",".join(one.before) or None
        found.append(Change("{0}: {1}".format(OURS, one.key), before, one.value))
    for gone in dict.fromkeys(one.off):
        where = " (Match)" if gone.match else ""
        found.append(Change("{0}: {1}{2}".format(gone.path, one.key, where), gone.value, None))
    options = " ".join(sshd_options(system))
    if _option(one.key).search(options):
        found.append(Change("options of sshd: -o {0}".format(one.key), options, None))
    return found


def _unit(system: Any) -> str:
    return "ssh.service" if any(map(system.exists, _DEBIAN)) else "sshd.service"
