# SPDX-License-Identifier: GPL-3.0-or-later
"""Every copy of the collection that Ansible could come across on this machine.

ansible-playbook takes the first one on its search path: $ANSIBLE_COLLECTIONS_PATH, else
`collections_path` of its configuration file, else the user's and the system's folder, and
only then where Python looks, which is where pip put ours. So a stale copy in the home
directory silently wins (measured).
"""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from storewarden.ports.machine import CollectionCopy

_INSIDE = Path("ansible_collections/storewarden/ops")
_SYSTEM = Path("/usr/share/ansible/collections")


def copies(
    environ: Mapping[str, str], cwd: Path, python_path: Iterable[str], ours: Path | None
) -> tuple[CollectionCopy, ...]:
    """All copies, in the order in which plain Ansible meets them.

    `ours` is the search root of the copy that storewarden runs. Folders that plain Ansible
    would not search here, but would elsewhere (the defaults), come last.
    """
    home = Path(environ.get("HOME") or Path.home())
    standard = [_ansible_home(environ, home) / "collections", _SYSTEM]
    configured = _configured(environ, cwd, home)
    python = [Path(entry) for entry in python_path if entry]
    searched = [*(configured if configured is not None else standard), *python]
    every = [*searched, *standard, cwd / "collections", *([ours] if ours else [])]
    return tuple(_found(every, len(searched), ours))


def _found(roots: list[Path], searched: int, ours: Path | None) -> Iterable[CollectionCopy]:
    own = (ours / _INSIDE).resolve() if ours else None
    seen: set[Path] = set()
    plain_known = False
    for index, root in enumerate(roots):
        path = root / _INSIDE
        if not _holds_collection(path) or path.resolve() in seen:
            continue
        seen.add(path.resolve())
        plain = index < searched and not plain_known
        plain_known = plain_known or plain
        yield CollectionCopy(
            path=path, version=_version(path), ours=path.resolve() == own, plain=plain
        )


def _holds_collection(path: Path) -> bool:
    try:
        return any((path / name).is_file() for name in ("galaxy.yml", "MANIFEST.json"))
    except OSError:
        return False


def _version(path: Path) -> str:
    """Of MANIFEST.json (installed by ansible-galaxy) or galaxy.yml; "?" when neither says."""
    try:
        if (path / "MANIFEST.json").is_file():
            manifest = json.loads((path / "MANIFEST.json").read_text(encoding="utf-8"))
            return str(manifest["collection_info"]["version"])
        return str(yaml.safe_load((path / "galaxy.yml").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return "?"


def _ansible_home(environ: Mapping[str, str], home: Path) -> Path:
    return _expanded(environ.get("ANSIBLE_HOME") or "~/.ansible", home, home)


def _configured(environ: Mapping[str, str], cwd: Path, home: Path) -> list[Path] | None:
    """The search path that somebody set, None when nobody did."""
    for name in ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_COLLECTIONS_PATHS"):
        if environ.get(name):
            return _split(environ[name], cwd, home)
    for file in _config_files(environ, cwd, home):
        if file.is_file():
            return _from_file(file, home)
    return None


def _config_files(environ: Mapping[str, str], cwd: Path, home: Path) -> list[Path]:
    """Ansible reads the first of these that exists, and only that."""
    named = environ.get("ANSIBLE_CONFIG")
    first = [_expanded(named, cwd, home)] if named else []
    first = [path / "ansible.cfg" if path.is_dir() else path for path in first]
    return [*first, cwd / "ansible.cfg", home / ".ansible.cfg", Path("/etc/ansible/ansible.cfg")]


def _from_file(file: Path, home: Path) -> list[Path] | None:
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",))
    try:
        parser.read(file, encoding="utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError):
        return None
    for key in ("collections_path", "collections_paths"):
        text = parser.get("defaults", key, fallback="")
        if text:
            return _split(text, file.parent, home)
    base = parser.get("defaults", "home", fallback="")
    return [_expanded(base, file.parent, home) / "collections", _SYSTEM] if base else None


def _split(text: str, base: Path, home: Path) -> list[Path]:
    return [_expanded(entry, base, home) for entry in text.split(os.pathsep) if entry.strip()]


def _expanded(text: str, base: Path, home: Path) -> Path:
    text = text.strip()
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    return base / os.path.expandvars(text)
