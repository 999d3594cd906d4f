# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What heal actions say of themselves: ``roles/heal_<name>/meta/heal.yml``, read and checked.

An action is a folder that is found, never listed. Both sides read it here: the play, and (as a
script, because it may run in a process of its own) whoever decides about alerts:

    python heal_meta.py --json [--roles DIR]... [NAME]...

exits 0 with ``{actions: [...]}``, one entry per action in order of names; or 2 with one line
``file: key: what`` on stderr. The table of all keys is in docs/reference/heal-action.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import yaml

PREFIX = "heal_"
PHASES = ("diagnose", "act", "verify")
RISKS = ("low", "medium", "high")
STATES = ("needed", "healthy", "escalate")
VERIFY = ("alert", "host")
UNDO = ("restore_point", "role", "none")
# The values of OperationClass in storewarden's domain/maintenance/grounds.py; a test compares.
OPERATIONS = (
    *("audit", "service-recovery", "emergency", "configuration", "port-change", "patch"),
    *("release", "service-restart", "network-restart", "schema-change"),
    *("payment-configuration", "finance", "pos", "record-deletion"),
)
# What is told of an action; its cases are for the test that runs them.
TOLD = (
    *("summary", "alerts", "risk", "operation", "disruptive", "idempotent", "timing", "limits"),
    *("verify", "undo", "undo_note", "never"),
)
_MUST = (*(one for one in TOLD if one != "limits"), "cases")
_MAY = ("limits", "may_become")
_LIMITS = ("cooldown", "per_6h", "per_24h")
_CASE_MUST = ("name", "facts", "options", "state")
_CASE_MAY = ("reason", "plan")
_LANGUAGES = ("en", "zh")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_OURS = ("step",)  # heal_step is the framework's own module
_OPTION = ("type", "elements", "required", "choices", "default", "description", "options")


class HealProblem(Exception):
    """An action that is not there, or that cannot be meant; one line."""


def own_roles() -> Path:
    """The roles of this collection."""
    return Path(__file__).resolve().parents[2] / "roles"


def heal_folders(roles_paths: Iterable[Path] = ()) -> dict[str, Path]:
    """Name -> folder of every heal role; a site's own role wins over one of ours, and the first
    of its folders over the next."""
    found: dict[str, Path] = {}
    for place in (own_roles(), *reversed(tuple(roles_paths))):
        for folder in sorted(place.glob(PREFIX + "*")):
            if (folder / "meta" / "heal.yml").is_file():
                found[folder.name[len(PREFIX) :]] = folder
    return found


def folder_of(name: str, roles_paths: Iterable[Path] = ()) -> Path:
    """The role's folder. Raises HealProblem with the names that there are."""
    if not _NAME.fullmatch(name) or name in _OURS:
        raise HealProblem(
            f"heal_action: {name!r}: lower-case letters, digits and underscores are meant"
        )
    found = heal_folders(roles_paths)
    if name not in found:
        known = ", ".join(sorted(found))
        raise HealProblem(f"there is no heal action {name} (no role heal_{name}); known: {known}")
    return found[name]


def load_meta(folder: Path) -> dict[str, Any]:
    """meta/heal.yml of a role, ``limits`` and ``may_become`` filled in. Raises HealProblem."""
    path = folder / "meta" / "heal.yml"
    data = _read(path)
    wrong = problems(data)
    if wrong:
        raise HealProblem(f"{path}: {wrong[0]}")
    return {"limits": {}, "may_become": [], **data}


def options_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Options of argument_specs (entry point diagnose) by name without prefix, with the defaults of
    defaults/main.yml. Raises HealProblem."""
    path = folder / "meta" / "argument_specs.yml"
    data = _read(path)
    specs = data.get("argument_specs") if isinstance(data, dict) else None
    spec = specs.get("diagnose") if isinstance(specs, dict) else None
    given = (spec.get("options") or {}) if isinstance(spec, dict) else None
    if not isinstance(given, dict):
        raise HealProblem(f"{path}: argument_specs.diagnose.options: is missing")
    prefix = f"{folder.name}_"
    strange = sorted(str(one) for one in given if not str(one).startswith(prefix))
    if strange:
        raise HealProblem(f"{path}: {strange[0]}: does not begin with {prefix}")
    defaults = _defaults(folder)
    return {
        str(name)[len(prefix) :]: _option(path, str(name), spec, defaults)
        for name, spec in given.items()
    }


def _defaults(folder: Path) -> dict[str, Any]:
    path = folder / "defaults" / "main.yml"
    data = _read(path) if path.is_file() else {}
    if not isinstance(data, dict | None):
        raise HealProblem(f"{path}: a mapping is meant")
    return data or {}


def _option(path: Path, name: str, spec: Any, defaults: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(spec, dict) or "type" not in spec:
        raise HealProblem(f"{path}: {name}: type is missing")
    found = {key: spec[key] for key in _OPTION if key in spec}
    found["required"] = bool(spec.get("required", False))
    if name in defaults:
        found["default"] = defaults[name]
    return found


def described(name: str, folder: Path) -> dict[str, Any]:
    """One entry of the JSON. Raises HealProblem."""
    meta = load_meta(folder)
    told = {key: meta[key] for key in (*TOLD, "may_become")}
    return {"name": name, **told, "options": options_of(folder)}


# -- what is wrong with a meta/heal.yml ----------------------------------------------------------


def problems(data: object) -> list[str]:
    """Everything that is wrong with the data of a meta/heal.yml, ``key: what`` each."""
    if not isinstance(data, dict):
        return ["a mapping is meant"]
    found = [f"{name}: is missing" for name in _MUST if name not in data]
    found += [f"{name}: is no key of it" for name in data if name not in (*_MUST, *_MAY)]
    for name in ("summary", "undo_note", "never"):
        found += _texts(name, data.get(name, {"en": "-", "zh": "-"}))
    for name, allowed in (
        *(("risk", RISKS), ("operation", OPERATIONS)),
        *(("verify", VERIFY), ("undo", UNDO)),
    ):
        if name in data and data[name] not in allowed:
            found.append(f"{name}: {data[name]!r} is none of {', '.join(allowed)}")
    for name in ("disruptive", "idempotent"):
        if not isinstance(data.get(name, False), bool):
            found.append(f"{name}: true or false is meant, not {data[name]!r}")
    found += _alerts(data.get("alerts", []))
    found += _seconds(data.get("timing", dict.fromkeys(PHASES, 1)))
    found += _limits(data.get("limits", {}))
    found += _classes(data.get("may_become", []))
    return found + (_cases(data["cases"]) if "cases" in data else [])


def _texts(key: str, value: object) -> list[str]:
    if not isinstance(value, dict) or set(value) != set(_LANGUAGES):
        return [f"{key}: en and zh are meant"]
    return [
        f"{key}.{one}: a text is meant"
        for one in _LANGUAGES
        if not isinstance(value[one], str) or not value[one].strip()
    ]


def _alerts(value: object) -> list[str]:
    if not isinstance(value, list):
        return ["alerts: a list of names is meant"]
    return [
        f"alerts: {one!r}: a name is meant"
        for one in value
        if not isinstance(one, str) or not one.strip()
    ]


def _seconds(value: object) -> list[str]:
    if not isinstance(value, dict):
        return ["timing: a mapping of seconds is meant"]
    found = [f"timing.{one}: is no key of it" for one in value if one not in PHASES]
    for one in PHASES:
        given = value.get(one)
        if one not in value:
            found.append(f"timing.{one}: is missing")
        elif isinstance(given, bool) or not isinstance(given, int | float) or given <= 0:
            found.append(f"timing.{one}: seconds above 0 are meant, not {given!r}")
    return found


def _limits(value: object) -> list[str]:
    if not isinstance(value, dict):
        return ["limits: a mapping is meant"]
    found = [f"limits.{one}: is no key of it" for one in value if one not in _LIMITS]
    return found + [
        f"limits.{one}: a whole number above 0 is meant, not {value[one]!r}"
        for one in _LIMITS
        if one in value and (type(value[one]) is not int or value[one] <= 0)
    ]


def _classes(value: object) -> list[str]:
    if not isinstance(value, list):
        return ["may_become: a list of operation classes is meant"]
    allowed = ", ".join(OPERATIONS)
    return [f"may_become: {one!r} is none of {allowed}" for one in value if one not in OPERATIONS]


def _cases(value: object) -> list[str]:
    if not isinstance(value, list) or not value:
        return ["cases: a list is meant, with a case for each state"]
    return [line for number, one in enumerate(value, 1) for line in _case(f"cases[{number}]", one)]


def _case(where: str, one: object) -> list[str]:
    if not isinstance(one, dict):
        return [f"{where}: a mapping is meant"]
    found = [f"{where}.{name}: is missing" for name in _CASE_MUST if name not in one]
    found += [
        f"{where}.{name}: is no key of it" for name in one if name not in (*_CASE_MUST, *_CASE_MAY)
    ]
    for name in ("facts", "options", "plan"):
        if not isinstance(one.get(name, {}), dict):
            found.append(f"{where}.{name}: a mapping is meant")
    for name in ("name", "reason"):
        if not isinstance(one.get(name, ""), str):
            found.append(f"{where}.{name}: a text is meant")
    if one.get("state", "healthy") not in STATES:
        found.append(f"{where}.state: {one['state']!r} is none of {', '.join(STATES)}")
    return found


def _read(path: Path) -> Any:
    try:
        # The time until a host is first asked counts, and the other loader is ten times slower.
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except OSError as error:
        raise HealProblem(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise HealProblem(f"{path}: cannot be read as YAML: {first}") from None


def main(argv: Sequence[str], out: TextIO, err: TextIO) -> int:
    """The script's answer; see the top of this file."""
    parser = argparse.ArgumentParser(description="what heal actions say of themselves")
    parser.add_argument("--json", action="store_true", required=True)
    parser.add_argument("--roles", action="append", type=Path, default=[])
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args(argv)
    try:
        names = asked.names or sorted(heal_folders(asked.roles))
        found = [described(one, folder_of(one, asked.roles)) for one in names]
    except HealProblem as problem:
        err.write(f"{problem}\n")
        return 2
    json.dump({"actions": found}, out, ensure_ascii=True)
    out.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout, sys.stderr))
