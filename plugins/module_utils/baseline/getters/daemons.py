# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages, units, and the SSH daemon's own opinion of its configuration.

sshd is asked, not read: which of several files wins, and what a Match block changes for one
user and address, is only known to sshd itself.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    OUTPUT,
    QUERY,
    TOOL,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.system import command_failed

DPKG = ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\\t${binary:Package}\\t${Version}\\n"]
RPM = ["rpm", "-qa", "--qf", "%{NAME}\\t%{VERSION}-%{RELEASE}\\n"]
UNIT = [
    "systemctl",
    "show",
    "--no-pager",
    "--property=Id,LoadState,ActiveState,SubState,UnitFileState",
    "--",
]
_SUFFIX = re.compile(
    r"\.(service|socket|timer|mount|automount|target|path|swap|slice|scope|device)$"
)
# where the options on the daemon's command line come from: Debian, RHEL family, RHEL 8 policies
_SSHD_OPTIONS = (
    ("/etc/default/ssh", "SSHD_OPTS"),
    ("/etc/sysconfig/sshd", "OPTIONS"),
    ("/etc/crypto-policies/back-ends/opensshserver.config", "CRYPTO_POLICY"),
)


def _pkg(system: Any, query: dict[str, Any]) -> list[dict[str, str]]:
    installed = system.remember(("packages",), lambda: _installed(system))
    patterns = texts(query["names"])
    return [
        {"name": name, "version": version}
        for name, version in installed
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]


def _installed(system: Any) -> list[tuple[str, str]]:
    dpkg = system.run(DPKG)
    if dpkg.rc == 0 and dpkg.stdout.strip():
        rows = [line.split("\t") for line in dpkg.stdout.split("\n") if line.count("\t") == 2]
        # second letter of the state: i = installed
        return sorted((row[1].split(":")[0], row[2]) for row in rows if row[0][1:2] == "i")
    rpm = system.run(RPM)
    if rpm.rc == 0:
        rows = [line.split("\t") for line in rpm.stdout.split("\n") if line.count("\t") == 1]
        return sorted((row[0], row[1]) for row in rows)
    if rpm.rc != 127:
        raise command_failed(RPM, rpm)
    if dpkg.rc == 127:
        raise ProbeError(TOOL, "neither dpkg-query nor rpm is installed")
    if dpkg.rc not in (0, 1):
        raise command_failed(DPKG, dpkg)
    return []


def _unit(system: Any, query: dict[str, Any]) -> Any:
    asked = texts(query["names"]) if "names" in query else [str(query["name"])]
    full = [name if _SUFFIX.search(name) else name + ".service" for name in asked]
    output = system.ask(UNIT + full)
    blocks = [block for block in re.split(r"\n\s*\n", output.strip()) if block.strip()]
    if len(blocks) != len(full):
        raise ProbeError(
            OUTPUT, "systemctl described {0} of {1} units".format(len(blocks), len(full))
        )
    units = [_unit_state(name, block) for name, block in zip(full, blocks)]  # noqa: B905 (Python 3.9)
    return units if "names" in query else units[0]


def _unit_state(name: str, block: str) -> dict[str, str]:
    properties = dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
    load = properties.get("LoadState", "")
    return {
        "name": name,
        "load": load,
        "active": properties.get("ActiveState", ""),
        "sub": properties.get("SubState", ""),
        "enabled": properties.get("UnitFileState") or ("" if load != "masked" else "masked"),
    }


def starts_with_host(system: Any, names: list[str]) -> list[str]:
    """Which of these units are enabled; none where systemd does not run."""
    if not system.exists("/run/systemd/system"):
        return []
    found = _unit(system, {"names": names})
    return [one["name"] for one in found if one["enabled"] in ("enabled", "enabled-runtime")]


def _sshd(system: Any, query: dict[str, Any]) -> list[str]:
    key = str(query["key"]).lower()
    found: list[str] = []
    for spec in [""] + [spec_text(one) for one in query.get("specs") or []]:
        for value in effective(system, spec).get(key, []):
            parts = [value]
            if query.get("split"):
                parts = [part.strip() for part in value.split(str(query["split"])) if part.strip()]
            found += [part for part in parts if part not in found]
    return found


def spec_text(spec: Any) -> str:
    if isinstance(spec, dict):
        return ",".join("{0}={1}".format(name, spec[name]) for name in sorted(spec))
    if not re.match(r"[a-z]+=[^,\s]+(,[a-z]+=[^,\s]+)*$", str(spec)):
        raise ProbeError(QUERY, "{0!r} is not user=..,host=..,addr=..".format(spec))
    return str(spec)


def effective(system: Any, spec: str) -> dict[str, list[str]]:
    """Every setting of sshd for this connection: key -> its lines."""
    argv = ["sshd"] + sshd_options(system) + ["-T"] + (["-C", spec] if spec else [])
    return system.remember(("sshd", spec), lambda: _settings(system.ask(argv)))


def _settings(output: str) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in output.split("\n"):
        key, _space, value = line.strip().partition(" ")
        if key:
            settings.setdefault(key.lower(), []).append(value.strip())
    if len(settings) < 1:
        raise ProbeError(OUTPUT, "sshd -T printed nothing")
    return settings


def sshd_options(system: Any) -> list[str]:
    """The words on the command line of this host's sshd."""
    options: list[str] = []
    for path, name in _SSHD_OPTIONS:
        for line in system.lines(path):
            match = re.match(r"\s*(?:export\s+)?{0}=(.*)$".format(name), line)
            if match:
                options += _words(path, match.group(1))
    return options


def _words(path: str, text: str) -> list[str]:
    try:
        return [word for part in shlex.split(text, comments=True) for word in part.split()]
    except ValueError as error:
        raise ProbeError(OUTPUT, "{0}: {1}".format(path, error)) from None


GETTERS = (
    Getter("pkg", _pkg, ("names",)),
    Getter("unit", _unit, one_of=("name", "names")),
    Getter("sshd", _sshd, ("key",), ("specs", "split")),
)
