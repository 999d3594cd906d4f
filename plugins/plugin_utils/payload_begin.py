# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a phase begins with: the playbook's variables, checked, and what the role gets of them.

Every default stands here, once. A variable that cannot be meant ends the phase before the host is
asked anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.storewarden.ops.plugins.plugin_utils.payload_meta import (
    PREFIX,
    PayloadProblem,
    folder_of,
    load_meta,
    options_of,
    own_roles,
)

STAGE = "/var/cache/storewarden"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEADLINE = 300.0
_PROBE_SECONDS = 30.0
_RETURN_SECONDS = 120.0

Asked = Callable[[str], Any]


def variables(phase: str, asked: Asked, roles_paths: Iterable[Path] = ()) -> dict[str, Any]:
    """Everything that the phase and its role work with, by variable name; ``options`` are the
    role's own variables.

    ``asked(name)`` is a playbook variable, None when it is not set. Raises PayloadProblem.
    """
    name = str(asked("payload_name") or "")
    if not name:
        raise PayloadProblem("payload_name is missing: which payload?")
    common = _common(asked, name)
    point = common["payload_point"]
    return {
        **common,
        "payload_phase": phase,
        "payload_name": name,
        "payload_job": point,
        "payload_stage": f"{STAGE}/{point}",
        "payload_points": _points(asked("payload_points"), point),
        **_role(phase, asked, name, tuple(roles_paths)),
    }


def _role(phase: str, asked: Asked, name: str, paths: tuple[Path, ...]) -> dict[str, Any]:
    """What comes from the role. A host can be probed and taken back without one: whatever became of
    the role and its options since then, its restore point is on the host."""
    try:
        folder = folder_of(name, paths)
        meta = load_meta(name, paths)
        options = _options(asked("payload_options"), folder, name)
    except PayloadProblem as problem:
        if phase not in ("undo", "probe"):
            raise
        none = {"payload_role": "", "payload_meta": {}, "payload_role_problem": str(problem)}
        return {**none, **_timed({}, phase, asked, name), "options": {}}
    ours = folder.parent == own_roles()
    return {
        "payload_role": f"storewarden.ops.{PREFIX}{name}" if ours else str(folder),
        "payload_meta": meta,
        **_timed(meta["timing"], phase, asked, name),
        "options": {f"{PREFIX}{name}_{option}": value for option, value in options.items()},
    }


def _timed(timing: Mapping[str, Any], phase: str, asked: Asked, name: str) -> dict[str, Any]:
    """What depends on how long the payload takes."""
    common = _common(asked, name)
    deadline = common["payload_deadline"]
    return {
        "payload_grant": deadline + float(timing.get("apply" if phase == "apply" else "judge", 0)),
        **_others(timing, asked),
        "payload_job_timeout": float(timing.get("apply", 0)),
        "payload_restore_point": {
            "id": common["payload_point"],
            "owner": common["payload_change"],
            "epoch": common["payload_epoch"],
            "deadline": deadline,
            "extend": phase == "apply",
            "rest": float(timing.get("apply", 0)),
        },
    }


def _common(asked: Asked, name: str) -> dict[str, Any]:
    change = str(asked("payload_change") or "ansible")
    point = str(asked("payload_point") or f"{change}-{name}")
    return {
        "payload_change": change,
        "payload_rollout": str(asked("payload_rollout") or ""),
        "payload_epoch": _epoch(asked("payload_epoch")),
        "payload_point": _id("payload_point", point),
        "payload_lock": _mapping("payload_lock", asked("payload_lock")),
        "payload_deadline": _seconds("payload_deadline", asked("payload_deadline"), _DEADLINE),
        "payload_probe_ports": _ports(asked("payload_probe_ports")),
        "payload_probe_seconds": _seconds(
            "payload_probe_seconds", asked("payload_probe_seconds"), _PROBE_SECONDS
        ),
        "payload_return_seconds": _seconds(
            "payload_return_seconds", asked("payload_return_seconds"), _RETURN_SECONDS
        ),
    }


def _others(timing: Mapping[str, Any], asked: Asked) -> dict[str, float]:
    """Seconds, at most: ``payload_wait`` from the beginning of apply until all hosts of the run
    are judged, but for the judging of this one; ``payload_queue`` of that the judging of those in
    front of it. 0 for a host that is alone in its run."""
    hosts, forks = asked("ansible_play_hosts_all"), asked("ansible_forks")
    count = len(hosts) if isinstance(hosts, list) else 1
    turns = -(-count // max(1, int(forks or count)))
    apply, reboot, judge, undo = (
        float(timing.get(one, 0)) for one in ("apply", "reboot", "judge", "undo")
    )
    # A host that fails is taken back before its turn ends.
    queue = (turns - 1) * (judge + undo)
    wait = turns * (apply + max(reboot, undo)) + queue if count > 1 else 0.0
    return {"payload_wait": wait, "payload_queue": queue}


def _options(given: Any, folder: Path, name: str) -> dict[str, Any]:
    options = _mapping("payload_options", given)
    known = options_of(folder, name)
    strange = sorted(set(options) - set(known))
    if strange:
        raise PayloadProblem(
            f"payload_options: {strange[0]} is no option of payload {name}"
            f" (there are: {', '.join(sorted(known)) or 'none'})"
        )
    return options


def _points(given: Any, point: str) -> list[dict[str, str]]:
    """``[{id, owner}]``, newest first; an empty owner is the change's."""
    entries = given if given not in (None, "") else [point]
    if not isinstance(entries, list):
        raise PayloadProblem("payload_points: a list is meant, newest first")
    found = []
    for one in entries:
        entry = one if isinstance(one, Mapping) else {"id": one}
        if set(entry) - {"id", "owner"}:
            raise PayloadProblem(f"payload_points: an id, or id and owner are meant, not {one!r}")
        name = _id("payload_points", str(entry.get("id", "")))
        found.append({"id": name, "owner": str(entry.get("owner") or "")})
    return found


def _id(variable: str, value: str) -> str:
    if not _ID.fullmatch(value):
        raise PayloadProblem(
            f"{variable}: {value!r}: use letters, digits, dots, dashes and underscores (100)"
        )
    return value


def _mapping(variable: str, value: Any) -> dict[str, Any]:
    if value in (None, ""):
        return {}
    if not isinstance(value, Mapping):
        raise PayloadProblem(f"{variable}: a mapping is meant, not {type(value).__name__}")
    return dict(value)


def _epoch(value: Any) -> int | str:
    """Empty when none is given: the host then takes the highest it has seen."""
    if value in (None, ""):
        return ""
    try:
        return int(value)
    except (TypeError, ValueError):
        raise PayloadProblem(f"payload_epoch: a number is meant, not {value!r}") from None


def _seconds(variable: str, value: Any, default: float) -> float:
    if value in (None, ""):
        return default
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if seconds <= 0:
        raise PayloadProblem(f"{variable}: seconds above 0 are meant, not {value!r}")
    return seconds


def _ports(value: Any) -> list[int]:
    if value in (None, ""):
        return []
    entries = value if isinstance(value, list) else str(value).split(",")
    try:
        ports = [int(str(one)) for one in entries]
    except ValueError:
        ports = [0]
    if not all(0 < port < 65536 for port in ports):
        raise PayloadProblem(f"payload_probe_ports: TCP ports are meant, not {value!r}")
    return ports
