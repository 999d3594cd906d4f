# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that lie on this machine: a file that not everybody may read, or a variable.

A secret that everybody on the machine can read is no secret: such a file is refused, not
only warned of. One line break at the end is an editor's, not the secret's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.secrets import Secret

_LARGEST = 64 * 1024  # bytes; a key fits, a log file given by mistake does not
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a named pipe would hold us up for ever
_EVERYBODY = stat.S_IROTH | stat.S_IWOTH


def read_file(place: str, folder: Path, environ: Mapping[str, str]) -> Secret:
    """The secret in the file ``place`` (relative to ``folder``, ``~`` is $HOME)."""
    path = _path(place, folder, environ)
    where = str(path)
    try:
        with os.fdopen(os.open(path, _OPEN), "rb") as stream:
            _refuse_open_to_all(stream.fileno(), path)
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise ConfigInvalid(f"the secret cannot be read: {why}", where=where) from None
    if len(content) > _LARGEST:
        raise ConfigInvalid("is too large for a secret (64 KiB)", where=where)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigInvalid("holds no text (UTF-8)", where=where) from None
    return _filled(text.removesuffix("\n").removesuffix("\r"), where)


def read_variable(name: str, environ: Mapping[str, str]) -> Secret:
    """The secret in the environment variable ``name``."""
    where = f"${name}" if name.isidentifier() else "a reference env:NAME"
    if not name.isidentifier() or name not in environ:
        raise ConfigInvalid("no such environment variable", where=where)
    return _filled(environ[name], where)


def _path(place: str, folder: Path, environ: Mapping[str, str]) -> Path:
    if place.startswith("~/"):
        home = environ.get("HOME")
        return (Path(home) if home else Path.home()) / place[2:]
    return folder / place


def _refuse_open_to_all(descriptor: int, path: Path) -> None:
    # Of the opened file, not of the name: nobody can exchange it in between.
    mode = os.fstat(descriptor).st_mode
    if mode & _EVERYBODY:
        raise ConfigInvalid(
            "holds a secret and is open to every user of this machine",
            where=str(path),
            hint=f"chmod 600 {path}",
        )
    if not stat.S_ISREG(mode):
        raise ConfigInvalid("is no regular file", where=str(path))


def _filled(text: str, where: str) -> Secret:
    if not text.strip():
        raise ConfigInvalid("is empty, it should hold a secret", where=where)
    return Secret(text)
