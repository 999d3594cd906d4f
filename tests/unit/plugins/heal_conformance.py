# SPDX-License-Identifier: GPL-3.0-or-later
"""What every role of a heal action must keep, as a list of what is wrong with one.

Looks at a folder, so that a broken copy can be looked at as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    ESCALATE,
    HEALTHY,
    NEEDED,
    Action,
    Diagnosis,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.heal_meta import (
    HealProblem,
    load_meta,
    options_of,
)

ROOT = Path(__file__).resolve().parents[3]
_PLUGINS = "ansible_collections.storewarden.ops.plugins"
# What the framework reads, by task file; and how the role gets its options there.
_REGISTERED = {
    "diagnose": "heal_diagnosed",
    "act": "heal_acted",
    "verify": "heal_verified",
    "undo": "heal_taken_back",
}
_SAME = ("type", "elements", "required", "choices", "default")
_WAYS_AROUND = ("ignore_unreachable", "any_errors_fatal", "run_once", "ignore_errors", "rescue:")


def role_problems(folder: Path) -> list[str]:
    """Everything that is wrong with the role in ``folder`` (named heal_<name>)."""
    name = folder.name.removeprefix("heal_")
    try:
        meta, options = load_meta(folder), options_of(folder)
    except HealProblem as problem:
        return [str(problem)]
    logic = import_module(f"{_PLUGINS}.module_utils.heal.{name}")
    return [
        *_texts(folder, options),
        *_defaults(folder, options),
        *_tasks(folder, meta, f"storewarden.ops.{folder.name}"),
        *_module(folder.name, options, logic),
        *_cases(meta, logic),
    ]


def _texts(folder: Path, options: dict[str, Any]) -> Iterator[str]:
    for wanted in ("README.md", "meta/main.yml", "molecule/default/molecule.yml"):
        if not (folder / wanted).is_file():
            yield f"{wanted} is missing"
            return
    readme = (folder / "README.md").read_text("utf-8")
    for option in options:
        if f"`{option}`" not in readme and f"{folder.name}_{option}" not in readme:
            yield f"README.md does not explain {option}"


def _defaults(folder: Path, options: dict[str, Any]) -> Iterator[str]:
    found = yaml.safe_load((folder / "defaults" / "main.yml").read_text("utf-8")) or {}
    specs = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text("utf-8"))
    entries = specs["argument_specs"]
    for option in options:
        name = f"{folder.name}_{option}"
        spec = entries["diagnose"]["options"][name]
        if spec.get("required"):
            continue
        if name not in found:
            yield f"defaults/main.yml: {name} is missing"
        elif found[name] != spec.get("default"):
            yield f"defaults/main.yml: {name} is not the default of argument_specs"
        elif "{{" in str(found[name]):
            yield f"defaults/main.yml: {name} is a template"
    for name in found:
        if name.removeprefix(f"{folder.name}_") not in options:
            yield f"defaults/main.yml: {name} is no option"
    for entry in ("act", "verify"):
        if entries.get(entry) != entries["diagnose"]:
            yield f"argument_specs.{entry} is not as diagnose"


def _tasks(folder: Path, meta: dict[str, Any], module: str) -> Iterator[str]:
    phases = [one for one in _REGISTERED if one != "undo" or meta["undo"] == "role"]
    if meta["undo"] != "role" and (folder / "tasks" / "undo.yml").exists():
        yield "tasks/undo.yml is there, but meta does not say undo: role"
    for phase in phases:
        path = folder / "tasks" / f"{phase}.yml"
        if not path.is_file():
            yield f"tasks/{phase}.yml is missing"
            continue
        text = path.read_text("utf-8")
        yield from (f"tasks/{phase}.yml: {one}" for one in _WAYS_AROUND if one in text)
        own = [one for one in yaml.safe_load(text) if module in one]
        if not own or own[0][module].get("phase") != phase:
            yield f"tasks/{phase}.yml does not call {module} with phase: {phase}"
        elif own[0].get("register") != _REGISTERED[phase]:
            yield f"tasks/{phase}.yml does not register {_REGISTERED[phase]}"
        elif own[0][module].get("options") != "{{ heal_values }}":
            yield f"tasks/{phase}.yml does not hand on heal_values"


def _module(name: str, options: dict[str, Any], logic: ModuleType) -> Iterator[str]:
    path = ROOT / "plugins" / "modules" / f"{name}.py"
    if not path.is_file():
        yield f"plugins/modules/{name}.py is missing"
        return
    documented = _documentation(path)
    if documented.get("module") != name:
        yield f"DOCUMENTATION of {name} has another name"
    if "storewarden.ops.heal" not in documented.get("extends_documentation_fragment", []):
        yield f"DOCUMENTATION of {name} does not take in storewarden.ops.heal"
    told = documented.get("options", {}).get("options", {}).get("suboptions") or {}
    for where, found in (("OPTIONS", logic.OPTIONS), ("DOCUMENTATION", told)):
        for option in sorted(set(found) ^ set(options)):
            yield f"{where} and argument_specs differ in {option}"
        for option in sorted(set(found) & set(options)):
            if _spec(found[option]) != _spec(options[option]):
                yield f"{where} and argument_specs say different things of {option}"


def _spec(spec: dict[str, Any]) -> dict[str, Any]:
    plain = {"type": "str", "required": False, "default": None, **spec}
    return {key: plain.get(key) for key in _SAME}


def _documentation(path: Path) -> dict[str, Any]:
    for one in ast.parse(path.read_text("utf-8")).body:
        if isinstance(one, ast.Assign) and getattr(one.targets[0], "id", "") == "DOCUMENTATION":
            found: dict[str, Any] = yaml.safe_load(ast.literal_eval(one.value))
            return found
    return {}


def _cases(meta: dict[str, Any], logic: ModuleType) -> Iterator[str]:
    action: Action = logic.ACTION
    for case in meta["cases"]:
        yield from (f"case {case['name']!r}: {one}" for one in _case(action, case))
        operation = _planned(action, case).plan.get("operation", meta["operation"])
        if operation not in (meta["operation"], *meta["may_become"]):
            yield f"case {case['name']!r}: may_become lacks {operation}"
    seen = {case["state"] for case in meta["cases"]}
    can = {NEEDED, HEALTHY} | ({ESCALATE} if hasattr(logic, "ESCALATE") else set())
    if not hasattr(logic, "NEEDED"):
        can.discard(NEEDED)  # such an action only calls people
    for state in sorted(can - seen):
        yield f"there is no case that is {state}"


def _planned(action: Action, case: dict[str, Any]) -> Diagnosis:
    """The judgement of a case. Options that it leaves out have their defaults, as on a host."""
    defaults = {
        name: spec.get("default")
        for name, spec in import_module(type(action).__module__).OPTIONS.items()
    }
    return action.diagnose(case["facts"], {**defaults, **case["options"]})


def _case(action: Action, case: dict[str, Any]) -> Iterator[str]:
    found = _planned(action, case)
    if found.state != case["state"]:
        yield f"{found.state} instead of {case['state']}: {found.reason}"
    if case.get("reason", "") not in found.reason:
        yield f"the reason is {found.reason!r}"
    if not found.reason.strip() or not found.reason_zh.strip() or "\n" in found.reason:
        yield "the reason must be one line in both languages"
    for key, wanted in case.get("plan", {}).items():
        if key not in found.plan or found.plan[key] != wanted:
            yield f"plan.{key} is {found.plan.get(key)!r}"
    if found.state != NEEDED and (found.capture or found.plan.get("units")):
        yield "nothing may be touched, and yet it is captured"
