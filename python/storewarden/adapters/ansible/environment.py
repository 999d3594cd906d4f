# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of everything we start: made from nothing, by an allow-list.

ansible-runner writes the whole environment of a play into its artifacts, every
child can read it, and a controller started by hand may carry a vault token or a
proxy password. So a play sees only what is named here.
"""

from __future__ import annotations

import configparser
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from storewarden.domain.errors import ConfigInvalid, ContentMissing

# Names that hold places and habits, never secrets.
_PASSED = ("HOME", "USER", "LOGNAME", "TZ", "TMPDIR", "SSH_AUTH_SOCK", "ANSIBLE_HOME")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayPlaces:
    """What all runs of a site have in common in their environment; see ``rundir.Request``."""

    bin_dir: str
    collections: tuple[str, ...]
    config: str
    known_hosts: str


def bin_directory() -> Path:
    """Where this Python's own tools are; first on PATH, or the venv's Ansible is not found."""
    return Path(sys.executable).parent


def base(
    bin_dir: Path | str, source: Mapping[str, str] | None = None, extra: Sequence[str] = ()
) -> dict[str, str]:
    """A bare environment; ``extra`` names variables that the site passes on purpose."""
    given = os.environ if source is None else source
    kept = {name: given[name] for name in (*_PASSED, *extra) if name in given}
    path = given.get("PATH") or os.defpath
    return {
        **kept,
        "PATH": f"{bin_dir}{os.pathsep}{path}",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_NOCOWS": "1",
    }


def site_config() -> str:
    """The ansible.cfg the operator would get here, as an absolute path, or nothing.

    A run has its own working directory, so what Ansible would find in ours must be
    named; like Ansible we do not take one from a directory that anyone may write to.
    """
    try:
        named = os.environ.get("ANSIBLE_CONFIG")
        if named:
            return str(Path(named).expanduser().absolute())
        here = Path.cwd()
        local = here / "ansible.cfg"
        if local.is_file() and not here.stat().st_mode & stat.S_IWOTH:
            return str(local)
    except OSError:  # the working directory was deleted, or may not be read
        pass
    return ""


def site_setting(config: str, section: str, *names: str) -> tuple[str, Path] | None:
    """A setting of the site's ansible.cfg with the directory it stands in, or None.

    For the few that our own settings would hide. A file that cannot be read is none of
    ours: Ansible will say so.
    """
    own = [Path("~/.ansible.cfg").expanduser(), Path("/etc/ansible/ansible.cfg")]
    named = Path(config) / "ansible.cfg" if Path(config).is_dir() else Path(config)
    path = next((one for one in ([named] if config else own) if one.is_file()), None)
    parser = configparser.ConfigParser(
        interpolation=None, strict=False, inline_comment_prefixes=";"
    )
    try:
        if path:
            parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, configparser.Error):
        return None
    found = (parser.get(section, name, fallback="").strip() for name in names)
    value = next((text for text in found if text), "")
    return (value, path.parent) if value and path else None


def site_collections(config: str) -> tuple[str, ...]:
    """Where Ansible would look for collections here if we did not name ours."""
    given = os.environ.get("ANSIBLE_COLLECTIONS_PATH", "")
    base = Path()
    if not given:
        setting = site_setting(config, "defaults", "collections_path", "collections_paths")
        home = os.environ.get("ANSIBLE_HOME") or "~/.ansible"
        given, base = setting or (f"{home}/collections:/usr/share/ansible/collections", base)
    paths = (base / Path(one).expanduser() for one in given.split(os.pathsep) if one)
    return tuple(str(path.absolute()) for path in paths)


def site_roles(config: str) -> tuple[str, ...]:
    """Where a play of ours looks for the site's own roles."""
    setting = site_setting(config, "defaults", "roles_path")
    home = os.environ.get("ANSIBLE_HOME") or "~/.ansible"
    given, base = setting or (f"{home}/roles:/usr/share/ansible/roles:/etc/ansible/roles", Path())
    paths = (base / Path(one).expanduser() for one in given.split(os.pathsep) if one)
    return tuple(str(path.absolute()) for path in paths)


def ansible(collections: Sequence[str], config: str = "") -> dict[str, str]:
    """What every Ansible tool gets on top: our collection first, no silent empty inventory."""
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(collections),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
    }
    return {**settings, "ANSIBLE_CONFIG": config} if config else settings


def ssh_arguments(known_hosts: str) -> str:
    """Options that come first on ssh's command line, where the first word wins.

    Host keys are always checked; with ``known_hosts`` against that file alone. A
    line that went dead is noticed after a minute, not after the kernel's two hours.
    """
    options = [
        "-C",
        "-o ControlMaster=auto",
        "-o ControlPersist=60s",
        "-o StrictHostKeyChecking=yes",
        "-o ServerAliveInterval=15",
        "-o ServerAliveCountMax=4",
    ]
    if known_hosts:
        name = known_hosts.replace("%", "%%")
        options += [f"-o 'UserKnownHostsFile=\"{name}\"'", "-o GlobalKnownHostsFile=/dev/null"]
    return " ".join(options)


def tool(name: str, environment: Mapping[str, str]) -> str:
    """The full path of a tool on the environment's PATH. Raises ContentMissing."""
    for folder in environment["PATH"].split(os.pathsep):
        path = Path(folder) / name
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    raise ContentMissing(
        f"{name} is not installed", where=environment["PATH"].split(os.pathsep)[0],
        hint="install ansible-core into the same environment as storewarden",
    )  # fmt: skip


def secret_file(path: Path | None, what: str) -> str:
    """The absolute path of a file that holds a secret, or "". Raises ConfigInvalid."""
    if path is None:
        return ""
    if not path.is_file():
        raise ConfigInvalid(f"the {what} file does not exist", where=str(path))
    return str(path.absolute())
