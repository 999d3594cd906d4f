# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a repair begins with: the playbook's variables, checked, and what the role gets of them.

Options come from an alert at worst, so they are data: they are taken as they are, without
templating, and everything that is made of them afterwards stays so. What cannot be meant ends the
repair before the host is asked anything.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.storewarden.ops.plugins.plugin_utils.heal_meta import (
    PREFIX,
    HealProblem,
    folder_of,
    load_meta,
    options_of,
    own_roles,
)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEADLINE = 300.0
# Seconds beside a phase's own: a connection, and a Python that starts on a sick host.
_BESIDE = 30.0
# Seconds for arming, confirming or undoing a restore point of a few files and units.
_FRAME = 300.0
_SPEC = ("type", "elements", "required", "choices", "options")

Asked = Callable[[str], Any]


def variables(asked: Asked, raw: Asked, roles_paths: Iterable[Path] = ()) -> dict[str, Any]:
    """Everything that the repair and its role work with, by variable name.

    ``asked(name)`` is a variable of the host, None when it is not set; ``raw(name)`` the same
    without templating. Raises HealProblem.
    """
    name = str(asked("heal_action") or "")
    if not name:
        raise HealProblem("heal_action is missing: which action?")
    folder = folder_of(name, tuple(roles_paths))
    meta = load_meta(folder)
    timing = {one: float(seconds) for one, seconds in meta["timing"].items()}
    change = str(asked("heal_change") or "ansible")
    deadline = _seconds("heal_deadline", asked("heal_deadline"), _DEADLINE)
    return {
        "heal_action": name,
        "heal_role": _role(folder),
        "heal_undo": meta["undo"],
        "heal_values": _values(name, folder, asked, raw),
        "heal_within": timing["verify"],
        "heal_act_seconds": timing["act"],
        "heal_look_seconds": timing["diagnose"],
        "heal_timeout": {
            **{one: int(seconds + _BESIDE) for one, seconds in timing.items()},
            "frame": int(_FRAME),
        },
        "heal_change": change,
        "heal_run": _id("heal_run", str(asked("heal_run") or _own_id(change, name))),
        "heal_epoch": _epoch(asked("heal_epoch")),
        "heal_grant": deadline + timing["act"] + timing["verify"],
        "heal_look": _truth("heal_look", asked("heal_look")),
        "heal_operations": [meta["operation"], *meta["may_become"]],
        "heal_closed": _closed(raw),
    }


def _closed(raw: Asked) -> dict[str, Any]:
    """Operation classes that the controller says are not allowed on this host now, each with the
    reason in both languages; none where nobody has said so (a person runs the playbook)."""
    found = _data("heal_closed", raw("heal_closed")).get(str(raw("inventory_hostname")))
    return _data("heal_closed", found)


def too_many(hosts: int, limit: object, asked: Asked) -> None:
    """HealProblem for a run that repairs more than one host although nobody named any: a
    forgotten --limit must not repair every store there is."""
    if hosts > 1 and not limit and not _truth("heal_all", asked("heal_all")):
        raise HealProblem(
            f"{hosts} hosts and no --limit: name the hosts with --limit, or say heal_all=true"
        )


def _role(folder: Path) -> str:
    """How Ansible finds the role. By its path it would count as one of this collection, without
    modules of its own; so a path is only for a role that has the name of one of ours."""
    if folder.parent == own_roles():
        return f"storewarden.ops.{folder.name}"
    return str(folder) if (own_roles() / folder.name).is_dir() else folder.name


def _own_id(change: str, name: str) -> str:
    """An id stands for one repair: who repairs by hand again must not have to name that one."""
    return f"{change}-{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"


def _values(name: str, folder: Path, asked: Asked, raw: Asked) -> dict[str, Any]:
    """All options by their names without prefix: the host's own, the run's, the site's variable
    ``heal_<name>_<option>``, the role's default."""
    known = options_of(folder)
    given: dict[str, Any] = {}
    for variable in ("heal_options", "heal_host_options"):
        one = _data(variable, raw(variable))
        strange = sorted(set(one) - set(known))
        if strange:
            there = ", ".join(sorted(known)) or "none"
            raise HealProblem(
                f"{variable}: {strange[0]} is no option of heal action {name} (there are: {there})"
            )
        given |= one
    for option, spec in known.items():
        if option in given:
            continue
        found = asked(f"{PREFIX}{name}_{option}")
        if found is None:
            found = spec.get("default")
        if found is not None:
            given[option] = found
    return _checked(name, known, given)


def _checked(name: str, known: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The values in the types of the role's argument_specs."""
    specs = {
        option: {key: spec[key] for key in _SPEC if key in spec} for option, spec in known.items()
    }
    found = ArgumentSpecValidator(specs).validate(given)
    if found.error_messages:
        first = " ".join(str(found.error_messages[0]).split())
        raise HealProblem(f"heal_options of {name}: {first}")
    values: dict[str, Any] = found.validated_parameters
    return values


def _data(variable: str, value: Any) -> dict[str, Any]:
    """The mapping as plain JSON data: nothing in it is a template any more."""
    if value in (None, ""):
        return {}
    if not isinstance(value, Mapping):
        raise HealProblem(f"{variable}: a mapping is meant, not {type(value).__name__}")
    try:
        data: dict[str, Any] = json.loads(json.dumps(value))
    except (TypeError, ValueError):
        raise HealProblem(
            f"{variable}: only texts, numbers, lists and mappings are meant"
        ) from None
    return data


def _id(variable: str, value: str) -> str:
    if not _ID.fullmatch(value):
        raise HealProblem(
            f"{variable}: {value!r}: use letters, digits, dots, dashes and underscores (100)"
        )
    return value


def _truth(variable: str, value: Any) -> bool:
    try:
        return value not in (None, "") and bool(boolean(value))
    except TypeError:
        raise HealProblem(f"{variable}: true or false is meant, not {value!r}") from None


def _epoch(value: Any) -> int | None:
    """None: the host takes the highest it has seen."""
    if value in (None, ""):
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        raise HealProblem(f"heal_epoch: a number is meant, not {value!r}") from None


def _seconds(variable: str, value: Any, default: float) -> float:
    if value in (None, ""):
        return default
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if seconds <= 0:
        raise HealProblem(f"{variable}: seconds above 0 are meant, not {value!r}")
    return seconds
