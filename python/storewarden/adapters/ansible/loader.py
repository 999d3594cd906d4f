# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a loader of the collection: a small program that prints one JSON document.

Python never imports collections, and what a role may say of itself is checked in one place, which
plain ansible-playbook needs too. So the loaders lie in the collection and are run.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import cast

from storewarden.adapters.ansible import environment
from storewarden.domain.errors import AdapterError, ConfigInvalid

_TIMEOUT = 60.0  # seconds; it reads about a hundred small files
_BAD_INPUT = 2  # a loader's exit status for a bad pattern or a broken file

type Raw = Mapping[str, object]


def asked(command: Sequence[str], what: str) -> Raw:
    """The document of the loader of ``what`` ("controls"). Its one line on stderr is the error.

    Raises ConfigInvalid for what was given to it, AdapterError when it fails itself.
    """
    try:
        done = subprocess.run(
            command,
            env=environment.base(environment.bin_directory()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise AdapterError(f"the loader of {what} did not answer", where=command[1]) from error
    said = " ".join(done.stderr.decode(errors="replace").split())
    if done.returncode == _BAD_INPUT:
        raise ConfigInvalid(said or f"the {what} could not be loaded", where=what)
    if done.returncode != 0:
        raise AdapterError(f"the loader of {what} failed: {said[-300:]}", where=command[1])
    try:
        return cast("Raw", json.loads(done.stdout))
    except ValueError as error:
        raise AdapterError(f"the loader of {what} printed no JSON", where=command[1]) from error
