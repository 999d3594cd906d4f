# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a payload says of itself: ``roles/payload_<name>/meta/payload.yml``, read and checked.

A payload is a folder that is found, never listed. Both sides read it here: the plays, and (as a
script, because it may run in a process of its own) whoever plans a rollout:

    python payload_meta.py --json [--roles DIR]... [NAME]...

exits 0 with ``{name: data}``, the defaults of the payload's class filled in; or 2 with one line
``file: what`` on stderr. The table of all fields is in docs/reference/payload.md.
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

PREFIX = "payload_"
ENTRY_POINTS = ("preflight", "apply", "verify", "undo")
CLASSES = ("packages", "release", "content", "config", "baseline")
REVERSIBILITY = ("A", "B", "C", "D")
# The values of OperationClass in storewarden's domain/maintenance/grounds.py; a test compares.
OPERATIONS = (
    *("audit", "service-recovery", "emergency", "configuration", "port-change", "patch"),
    *("release", "service-restart", "network-restart", "schema-change"),
    *("payment-configuration", "finance", "pos", "record-deletion"),
)
PHASES = ("preflight", "apply", "judge", "undo", "reboot")
_SOAK = ("wall", "trading")
_LANGUAGES = ("en", "zh")
_MUST = ("summary", "class", "reversibility", "operation")
_MAY = ("lock", "reboots", "timing", "soak", "waves")
_WAVE = re.compile(
    r"[1-9]\d* stores?|(100|[1-9]\d?)(\.\d+)?%|[1-9]\d* per stratum|label [A-Za-z_]\w*"
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_DAY = 86400
_HOUR = 3600
_CANARY_WAVES = ("1 store", "3 stores", "10%", "100%")


def _defaults(
    wall: int, trading: int, seconds: Sequence[int], waves: Sequence[str] = _CANARY_WAVES
) -> dict[str, Any]:
    return {
        "lock": False,
        "reboots": False,
        "soak": {"wall": wall, "trading": trading},
        "timing": dict(zip(PHASES, seconds, strict=True)),
        "waves": list(waves),
    }


CLASS_DEFAULTS: Mapping[str, dict[str, Any]] = {
    # A pilot is observed 24 h (guide 1.3.3), two hours of trade among them.
    "packages": _defaults(_DAY, 2 * _HOUR, (300, 600, 180, 360, 0)),
    "baseline": _defaults(_DAY, 2 * _HOUR, (300, 600, 180, 360, 0)),
    # 10 % are observed 30 min (guide 11.5.4).
    "release": _defaults(1800, 1800, (300, 300, 120, 180, 0)),
    # 10 % are observed 24 h, then everything within 3 h (guide 1.8).
    "content": _defaults(_DAY, 0, (300, 300, 120, 180, 0), ("10%", "100%")),
    "config": _defaults(1800, 0, (120, 180, 120, 180, 0)),
}


class PayloadProblem(Exception):
    """A payload that is not there, or whose meta/payload.yml cannot be meant; one line."""


def own_roles() -> Path:
    """The roles of this collection."""
    return Path(__file__).resolve().parents[2] / "roles"


def payload_folders(roles_paths: Iterable[Path] = ()) -> dict[str, Path]:
    """Name -> folder of every payload role; a site's own role wins over one of ours."""
    found: dict[str, Path] = {}
    for place in (own_roles(), *roles_paths):
        for folder in sorted(place.glob(PREFIX + "*")):
            if (folder / "meta" / "payload.yml").is_file():
                found[folder.name[len(PREFIX) :]] = folder
    return found


def load_meta(name: str, roles_paths: Iterable[Path] = ()) -> dict[str, Any]:
    """meta/payload.yml with the defaults of its class. Raises PayloadProblem."""
    folder = folder_of(name, roles_paths)
    path = folder / "meta" / "payload.yml"
    data = _read(path)
    wrong = problems(data)
    if wrong:
        raise PayloadProblem(f"{path}: {wrong[0]}")
    return with_defaults(data)


def folder_of(name: str, roles_paths: Iterable[Path] = ()) -> Path:
    """The role's folder. Raises PayloadProblem with the names that there are."""
    if not _NAME.fullmatch(name):
        raise PayloadProblem(
            f"payload_name: {name!r}: lower-case letters, digits and underscores are meant"
        )
    found = payload_folders(roles_paths)
    if name not in found:
        known = ", ".join(sorted(found))
        raise PayloadProblem(f"there is no payload {name} (no role payload_{name}); known: {known}")
    return found[name]


def options_of(folder: Path, name: str) -> dict[str, Any]:
    """Options of the role's argument_specs (entry point preflight), without their prefix."""
    path = folder / "meta" / "argument_specs.yml"
    data = _read(path)
    specs = data.get("argument_specs") if isinstance(data, dict) else None
    spec = specs.get("preflight") if isinstance(specs, dict) else None
    given = spec.get("options", {}) if isinstance(spec, dict) else None
    if not isinstance(given, dict):
        raise PayloadProblem(f"{path}: argument_specs.preflight.options is missing")
    prefix = f"{PREFIX}{name}_"
    strange = sorted(one for one in given if not str(one).startswith(prefix))
    if strange:
        raise PayloadProblem(f"{path}: option {strange[0]} does not begin with {prefix}")
    return {str(one)[len(prefix) :]: spec for one, spec in given.items()}


def with_defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is left out comes from the class."""
    base = CLASS_DEFAULTS[str(data["class"])]
    filled = {**base, **data}
    for name in ("timing", "soak"):
        filled[name] = {**base[name], **data.get(name, {})}
    return filled


def problems(data: object) -> list[str]:
    """Everything that is wrong with the data of a meta/payload.yml, one line each."""
    if not isinstance(data, dict):
        return ["a mapping is meant"]
    found = [f"{name} is missing" for name in _MUST if name not in data]
    found += [f"{name} is no field of it" for name in data if name not in (*_MUST, *_MAY)]
    found += _texts(data.get("summary", {"en": "-", "zh": "-"}))
    for name, allowed in (
        ("class", CLASSES),
        ("reversibility", REVERSIBILITY),
        ("operation", OPERATIONS),
    ):
        if name in data and data[name] not in allowed:
            found.append(f"{name}: {data[name]!r} is none of {', '.join(allowed)}")
    for name in ("lock", "reboots"):
        if not isinstance(data.get(name, False), bool):
            found.append(f"{name}: true or false is meant")
    found += _seconds("timing", data.get("timing", {}), PHASES)
    found += _seconds("soak", data.get("soak", {}), _SOAK)
    return found + _waves(data.get("waves", ["1 store"]))


def _texts(value: object) -> list[str]:
    if not isinstance(value, dict) or set(value) != set(_LANGUAGES):
        return ["summary: en and zh are meant"]
    return [f"summary.{one} is empty" for one in _LANGUAGES if not str(value[one] or "").strip()]


def _seconds(name: str, value: object, allowed: Sequence[str]) -> list[str]:
    if not isinstance(value, dict):
        return [f"{name}: a mapping of seconds is meant"]
    found = [f"{name}.{one} is no field of it" for one in value if one not in allowed]
    for one in allowed:
        given = value.get(one, 0)
        if isinstance(given, bool) or not isinstance(given, (int, float)) or given < 0:
            found.append(f"{name}.{one}: seconds are meant, not {given!r}")
    return found


def _waves(value: object) -> list[str]:
    if not isinstance(value, list) or not value:
        return ["waves: a list of words such as 1 store, 10%, 2 per stratum or label NAME is meant"]
    return [
        f"waves: {one!r}: N stores, N%, N per stratum or label NAME is meant"
        for one in value
        if not (isinstance(one, str) and _WAVE.fullmatch(one))
    ]


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PayloadProblem(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise PayloadProblem(f"{path}: cannot be read as YAML: {first}") from None


def main(argv: Sequence[str], out: TextIO, err: TextIO) -> int:
    """The script's answer; see the top of this file."""
    parser = argparse.ArgumentParser(description="what payloads say of themselves")
    parser.add_argument("--json", action="store_true", required=True)
    parser.add_argument("--roles", action="append", type=Path, default=[])
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args(argv)
    try:
        names = asked.names or sorted(payload_folders(asked.roles))
        found = {one: load_meta(one, asked.roles) for one in names}
    except PayloadProblem as problem:
        err.write(f"{problem}\n")
        return 2
    json.dump(found, out, ensure_ascii=True)
    out.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdout, sys.stderr))
