# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-rulebook for the bench: from PyPI into a virtual environment of its own, once.

It needs Java 17 or later, from Debian when it is not there. Nothing of it is a part of storewarden.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

_HOME = Path(__file__).parent.parent.parent / ".cache/rulebook"
_WANTED = ("ansible-rulebook==1.3.2", "ansible-runner", f"ansible-core=={version('ansible-core')}")


class NotHere(RuntimeError):
    """It cannot be had on this machine; the text says why, in one line."""


def installed() -> Path:
    """The folder of its programs. Raises NotHere."""
    programs = _HOME / "bin"
    if not shutil.which("java"):
        _done("apt-get", "install", "-y", "-qq", "--no-install-recommends", "default-jre-headless")
    if not (_HOME / "whole").exists():
        print("  ansible-rulebook is installed (once, a minute) ...", flush=True)
        shutil.rmtree(_HOME, ignore_errors=True)
        _done(sys.executable, "-m", "venv", str(_HOME))
        _done(str(programs / "pip"), "install", "-q", *_WANTED)
        (_HOME / "whole").touch()
    return programs


def java_home() -> str:
    """Where Java is, for its bridge to Python."""
    return str(Path(os.path.realpath(shutil.which("java") or "java")).parent.parent)


def _done(*argv: str) -> None:
    try:
        subprocess.run(argv, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        raise NotHere(f"{argv[0]}: {said[-1] if said else error}") from error
