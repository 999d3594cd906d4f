# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The catalogue of controls: found by folder, checked, selected, and told as JSON.

Adding a control means adding one file; nothing lists them. The same loader serves the action
plugin (what is sent to a host) and, as a script, everybody who needs titles and weights:

    python baseline_controls.py --json [--select PATTERN]... [--extra DIR]...

exits 0 with the catalogue, or 2 with one line ``file:line: what (what to do)`` on stderr.
``--check`` lists every problem instead of the first.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

if __package__ in (None, ""):
    # Run as a script there is no collection loader: lend the parents of this file their names,
    # so that the imports below find this checkout's modules and no other copy.
    _root = Path(__file__).resolve().parents[2]
    for _name, _place in (
        ("ansible_collections", _root),
        ("ansible_collections.storewarden", _root),
        ("ansible_collections.storewarden.ops", _root),
        ("ansible_collections.storewarden.ops.plugins", _root / "plugins"),
    ):
        _module = ModuleType(_name)
        _module.__path__ = [str(_place)]
        sys.modules[_name] = _module

import argparse
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TextIO

import yaml

from ansible_collections.storewarden.ops.plugins.plugin_utils.control_fix import (
    fix_kinds,
    fix_text,
    is_manual,
    prepared_fix,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import filled, prepare
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_schema import (
    LANGUAGES,
    UNKNOWN,
    Check,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_yaml import (
    ControlError,
    Document,
    problem_line,
    read_document,
)

_SITE = "site"  # the family of a site's own controls that name none
_ID = re.compile(r"[A-Z][A-Za-z0-9_-]{0,30}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedControl:
    """One checked control file. ``variables``: parameter -> Ansible variable."""

    data: Mapping[str, Any]
    family: str
    path: Path
    digest: str
    variables: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.data["id"])

    def prepared(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the host gets, with ``values`` (by parameter name) over the defaults."""
        return prepare(self.data, {**self.defaults, **values})

    def prepared_fix(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """``{id, risk, group, steps}`` for the host, with ``values`` over the defaults."""
        return prepared_fix(self.data, {**self.defaults, **values})

    @property
    def group(self) -> str:
        """The apply group of its fix."""
        return str(self.data["fix"]["group"])

    @property
    def manual(self) -> bool:
        """Whether its fix is for people only."""
        return is_manual(self.data["fix"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All controls in id order. ``content``: sha256 over their files and defaults."""

    controls: tuple[LoadedControl, ...]
    content: str

    def select(
        self, patterns: Sequence[str] = (), families: Sequence[str] = ()
    ) -> tuple[LoadedControl, ...]:
        """Controls whose id matches a pattern (empty = all), of these families (empty = all).

        Raises UnknownSelection for a pattern or family that matches nothing.
        """
        for family in families:
            if family not in {one.family for one in self.controls}:
                raise UnknownSelection(f"no family called {family}")
        for pattern in patterns:
            if not any(fnmatchcase(one.id, pattern) for one in self.controls):
                raise UnknownSelection(f"no control matches {pattern}")
        return tuple(
            one
            for one in self.controls
            if (not patterns or any(fnmatchcase(one.id, pattern) for pattern in patterns))
            and (not families or one.family in families)
        )


class UnknownSelection(Exception):
    """A selection that matches nothing; the message is one line."""


_cache: dict[tuple[Path, ...], tuple[tuple[tuple[str, int, int], ...], Catalogue]] = {}


def collection_root() -> Path:
    return Path(__file__).resolve().parents[2]


def load_catalogue(extra: Iterable[Path] = ()) -> Catalogue:
    """The shipped controls and those in the ``extra`` folders; cached until a file changes.

    Raises ControlError with every problem found.
    """
    folders = tuple(Path(one) for one in extra)
    files = _files(folders)
    state = tuple(
        (str(path), path.stat().st_mtime_ns, path.stat().st_size) for path, _family in files
    )
    if folders not in _cache or _cache[folders][0] != state:
        _cache[folders] = (state, _load(files))
    return _cache[folders][1]


def _files(folders: tuple[Path, ...]) -> list[tuple[Path, str]]:
    """(file, family) of every control; defaults files carry the family ""."""
    found: list[tuple[Path, str]] = []
    for role in sorted(collection_root().glob("roles/baseline_*")):
        family = role.name.removeprefix("baseline_")
        found += [(path, family) for path in sorted(role.glob("controls/*.yml"))]
        found += [(path, "") for path in sorted(role.glob("defaults/main.yml"))]
    for folder in folders:
        if not folder.is_dir():
            raise ControlError([(str(folder), 1, "is no folder (name one with control files)")])
        found += [(path, _SITE) for path in sorted(folder.glob("*.yml"))]
    return found


def _load(files: list[tuple[Path, str]]) -> Catalogue:
    problems: list[tuple[str, int, str]] = []
    variables = _defaults([path for path, family in files if not family], problems)
    controls: dict[str, LoadedControl] = {}
    for path, family in files:
        if not family:
            continue
        try:
            control = _read_control(path, family, variables)
        except ControlError as error:
            problems += error.problems
            continue
        other = controls.setdefault(control.id, control)
        if other is not control:
            problems.append((str(path), 1, f"{control.id} exists already in {other.path}"))
    if problems:
        raise ControlError(problems)
    ordered = tuple(controls[name] for name in sorted(controls))
    summed = json.dumps([[one.id, one.digest, one.defaults] for one in ordered], sort_keys=True)
    content = hashlib.sha256(summed.encode("utf-8")).hexdigest()
    return Catalogue(controls=ordered, content=content)


def _defaults(paths: list[Path], problems: list[tuple[str, int, str]]) -> dict[str, Any]:
    """Variables of all roles' defaults, read as Ansible reads them (YAML 1.1)."""
    variables: dict[str, Any] = {}
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in paths:
        try:
            variables |= yaml.load(path.read_text(encoding="utf-8"), Loader=loader) or {}
        except (yaml.YAMLError, TypeError) as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else 1
            problems.append((str(path), line, "broken YAML (check indentation and quotes)"))
    return variables


def _read_control(path: Path, family: str, variables: Mapping[str, Any]) -> LoadedControl:
    document = read_document(path)
    problems = _name_problems(document)
    names, defaults = _parameters(document, variables, problems)
    problems += Check(document, defaults).run()
    if problems:
        raise ControlError(problems)
    return LoadedControl(
        data=document.data,
        family=str(document.data.get("family", family)),
        path=path,
        digest=hashlib.sha256(document.text.encode("utf-8")).hexdigest(),
        variables=names,
        defaults=defaults,
    )


def role_defaults() -> dict[str, Any]:
    """Every variable of the baseline roles and its default. Raises ControlError."""
    problems: list[tuple[str, int, str]] = []
    variables = _defaults(
        sorted(collection_root().glob("roles/baseline_*/defaults/main.yml")), problems
    )
    if problems:
        raise ControlError(problems)
    return variables


def load_control(path: Path, variables: Mapping[str, Any]) -> LoadedControl:
    """One control file of a role (its family is the role's). Raises ControlError."""
    return _read_control(path, path.parents[1].name.removeprefix("baseline_"), variables)


def _name_problems(document: Document) -> list[tuple[str, int, str]]:
    data = document.data
    name = data.get("id") if isinstance(data, dict) else None
    if name is None:
        return []
    if name != document.path.stem or not _ID.match(str(name)):
        what = f"{name!r} must be the file's name, {document.path.stem}, like A01"
        return [document.problem(("id",), what)]
    return []


def _parameters(
    document: Document, variables: Mapping[str, Any], problems: list[tuple[str, int, str]]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Parameter -> variable, and parameter -> default."""
    declared = document.data.get("params", {}) if isinstance(document.data, dict) else {}
    names: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    if not isinstance(declared, dict):
        problems.append(document.problem(("params",), "must map a name to a variable"))
        return names, defaults
    for name, given in declared.items():
        if isinstance(given, dict) and set(given) == {"variable", "default"}:
            names[name], defaults[name] = str(given["variable"]), given["default"]
        elif isinstance(given, str) and given in variables:
            names[name], defaults[name] = given, variables[given]
            if "{{" in json.dumps(variables[given], default=str):
                what = f"the default of {given} is a template (give it a plain value)"
                problems.append(document.problem(("params", name), what))
        else:
            what = f"{given} has no default in any baseline role (add it to defaults/main.yml)"
            problems.append(document.problem(("params", name), what))
            defaults[name] = UNKNOWN
    return names, defaults


def described(control: LoadedControl) -> dict[str, Any]:
    """One entry of the catalogue's JSON, texts filled in at the defaults."""
    data, defaults = control.data, control.defaults
    fix = data["fix"]
    return {
        "id": control.id,
        "family": control.family,
        "title": {name: filled(data["title"][name], defaults) for name in LANGUAGES},
        "severity": data["severity"],
        "risk": data["risk"],
        "guide": data["guide"],
        "refs": {"mlps": [], "cis_debian12": [], **data.get("refs", {})},
        "scanners": {"openscap": [], "lynis": [], **data.get("scanners", {})},
        "fix": {
            "group": fix["group"],
            "kind": "+".join(fix_kinds(fix)),
            "manual": is_manual(fix),
            "text": fix_text(fix, defaults),
        },
        "digest": control.digest,
        "params": {
            name: {"variable": variable, "default": defaults[name]}
            for name, variable in control.variables.items()
        },
    }


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The catalogue of baseline controls.")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--json", action="store_true", help="print the catalogue")
    mode.add_argument("--check", action="store_true", help="list every problem of the files")
    parser.add_argument("--select", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--extra", action="append", default=[], type=Path, metavar="DIR")
    return parser.parse_args(argv)


def _tell(text: str, stream: TextIO) -> None:
    stream.write(text + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """0, or 2 with one line on stderr."""
    arguments = _arguments(argv)
    try:
        catalogue = load_catalogue(arguments.extra)
        chosen = catalogue.select(arguments.select)
    except ControlError as error:
        lines = [problem_line(one) for one in error.problems]
        _tell("\n".join(lines) if arguments.check else str(error), sys.stderr)
        return 2
    except UnknownSelection as error:
        _tell(f"baseline controls: {error} (ids look like A01, patterns like B*)", sys.stderr)
        return 2
    if arguments.json:
        entries = [described(one) for one in chosen]
        _tell(json.dumps({"content": catalogue.content, "controls": entries}), sys.stdout)
    else:
        _tell(f"{len(chosen)} controls, no problem", sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
