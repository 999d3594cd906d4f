# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The imagined hosts of the controls' ``cases``: a test double with files, commands and a clock.

Getters and evaluator are the real ones; only what they look at is made up here. Nothing is
there unless the case says so, so a case cannot pass by accident of the machine it runs on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.evaluate import (
    evaluate_control,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.daemons import (
    DPKG,
    UNIT,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    TIMEOUT,
    ProbeError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.system import (
    CommandResult,
    FileStat,
    System,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.case_databases import (
    database_answer,
    database_files,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import fitted, prepare

DEFAULT_NOW = "2026-01-01T00:00:00Z"
_UNIT = {"load": "loaded", "active": "active", "sub": "running", "enabled": "enabled"}
_ABSENT = {"load": "not-found", "active": "inactive", "sub": "dead", "enabled": ""}
_IDS = {"root": 0, "daemon": 1, "adm": 4, "shadow": 42, "nobody": 65534, "nogroup": 65534}


class CaseSystem(System):
    """A host as a case describes it (keys: see docs/reference/control-format.md, "Cases")."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        super().__init__()
        self._case = case
        self._names: dict[str, dict[int, str]] = {"owner": {}, "group": {}}
        files = {**database_files(case), **case.get("files", {})}
        self._files = {path: _file(given) for path, given in files.items()}
        self._folders = {
            "/".join(parts[:count]) or "/"
            for path in self._files
            for parts in [path.split("/")]
            for count in range(1, len(parts))
        } | {"/"}
        self._now = datetime.fromisoformat(str(case.get("now", DEFAULT_NOW)))
        if self._now.tzinfo is None:
            self._now = self._now.replace(tzinfo=UTC)

    def now(self) -> float:
        return self._now.timestamp()

    def _lstat(self, path: str) -> FileStat | None:
        given = self._files.get(path)
        if given is None:
            return FileStat("dir", 0o755, 0, 0, 0, self.now()) if path in self._folders else None
        kind = "link" if "link" in given else given.get("kind", "file")
        default = {"dir": "0755", "link": "0777"}.get(kind, "0644")
        mode = int(str(given.get("mode", default)), 8)
        owner = self._number("owner", given.get("owner", "root"))
        group = self._number("group", given.get("group", "root"))
        size = int(given.get("size", len(given.get("content", ""))))
        return FileStat(kind, mode, owner, group, size, self._stamp(given.get("mtime")))

    def _number(self, column: str, name: Any) -> int:
        """An id for a name, kept so that it reads back as the same name."""
        if isinstance(name, int):
            return name
        number = _IDS.get(str(name), 1000 + sum(map(ord, str(name))))
        self._names[column][number] = str(name)
        return number

    def user_name(self, uid: int) -> str:
        return self._names["owner"].get(uid) or super().user_name(uid)

    def group_name(self, gid: int) -> str:
        return self._names["group"].get(gid) or super().group_name(gid)

    def _stamp(self, given: Any) -> float:
        if given is None:
            return self.now()
        if isinstance(given, (int, float)):
            return float(given)
        moment = datetime.fromisoformat(str(given))
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()

    def _readlink(self, path: str) -> str:
        return str(self._files[path]["link"])

    def _list(self, path: str) -> list[str]:
        start = path.rstrip("/") + "/"
        below = [
            one[len(start) :] for one in {*self._files, *self._folders} if one.startswith(start)
        ]
        return sorted({one.split("/", 1)[0] for one in below if one})

    def _read(self, path: str) -> str:
        return str(self._files[path].get("content", ""))

    def _run(
        self, argv: tuple[str, ...], environment: Mapping[str, str] | None = None
    ) -> CommandResult:
        line = " ".join([*(f"{name}=*" for name in environment or ()), *argv])
        given = self._case.get("commands", {}).get(line)
        if given is None:
            given = self._shorthand(list(argv))
        if given is None:
            given = database_answer(self._case, list(argv))
        if given is None:
            return CommandResult(127, "", f"{argv[0]}: not found")
        if isinstance(given, str):
            return CommandResult(0, given, "")
        if given.get("hang"):
            raise ProbeError(TIMEOUT, f"{argv[0]} did not answer in time")
        texts = (str(given.get("stdout", "")), str(given.get("stderr", "")))
        return CommandResult(int(given.get("rc", 0)), *texts)

    def _shorthand(self, argv: list[str]) -> str | None:
        case = self._case
        if argv == DPKG and "packages" in case:
            packages = case["packages"].items()
            return "".join(f"ii \t{name}\t{version}\n" for name, version in packages)
        if argv[: len(UNIT)] == UNIT and "units" in case:
            return "\n".join(self._unit(name) for name in argv[len(UNIT) :])
        if argv[0] == "sshd" and "-T" in argv and "sshd" in case:
            answers = case["sshd"] if isinstance(case["sshd"], dict) else {"": case["sshd"]}
            spec = argv[-1] if "-C" in argv else ""
            return str(answers.get(spec, answers.get("", "")))
        return None

    def _unit(self, name: str) -> str:
        units = {key if "." in key else key + ".service": one for key, one in _units(self._case)}
        given = units.get(name, "absent")
        state = _ABSENT if given == "absent" else {**_UNIT, **given}
        return (
            f"Id={name}\nLoadState={state['load']}\nActiveState={state['active']}\n"
            f"SubState={state['sub']}\nUnitFileState={state['enabled']}\n"
        )


def _units(case: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(str(name), one or {}) for name, one in case["units"].items()]


def _file(given: Any) -> dict[str, Any]:
    return dict(given) if isinstance(given, dict) else {"content": "" if given is None else given}


def run_case(
    control: Mapping[str, Any], case: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """The result of the control on the case's host: ``{id, verdict, value?, reason?, ms}``."""
    overrides = case.get("params", {})
    values = {
        name: fitted(name, overrides[name], default) if name in overrides else default
        for name, default in defaults.items()
    }
    return evaluate_control(CaseSystem(case), prepare(control, values))


def case_problem(case: Mapping[str, Any], result: Mapping[str, Any]) -> str | None:
    """How the result differs from what the case says, or None."""
    if result["verdict"] != case["verdict"]:
        return (
            f"verdict {result['verdict']}, not {case['verdict']}; "
            f"value {result.get('value')!r}; reason {result.get('reason')}"
        )
    if "value" in case and result.get("value") != case["value"]:
        return f"value {result.get('value')!r}, not {case['value']!r}"
    reasons = " ".join((result.get("reason") or {}).values())
    if "reason" in case and str(case["reason"]) not in reasons:
        return f"reason {reasons!r} does not hold {case['reason']!r}"
    return None
