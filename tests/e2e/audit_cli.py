# SPDX-License-Identifier: GPL-3.0-or-later
"""The real command line against this machine alone, in a site of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_BIN = Path(sys.executable).parent
# Seconds for a command to end and for what follows of it; slow machines need many of them.
PATIENCE = 600.0
LOCAL = f"ansible_connection: local, ansible_python_interpreter: {sys.executable}"


@dataclass(frozen=True, slots=True)
class Done:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What stands on stderr."""
        return self.err.splitlines()


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that is a whole site: settings, inventory, state."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        """A file of the site."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def inventory(self, **hosts: str) -> Path:
        """``hosts.yml`` with these hosts; a value is their variables in YAML flow style."""
        body = "".join(f"    {name}: {{{variables}}}\n" for name, variables in hosts.items())
        return self.write("hosts.yml", f"all:\n  hosts:\n{body or '    {}'}")

    def settings(self, text: str = "") -> Path:
        """``storewarden.yml``; the state stays inside of the folder."""
        return self.write("storewarden.yml", f"state_dir: {self.folder / 'state'}\n{text}")

    def environment(self) -> dict[str, str]:
        """What a shell would have, without anything of this machine's operator."""
        kept = {k: v for k, v in os.environ.items() if k.startswith("ANSIBLE_")}
        return {
            **kept,
            "PATH": f"{_BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
        }

    def start(self, *argv: str) -> subprocess.Popen[str]:
        """``storewarden`` with ``argv``, running."""
        return subprocess.Popen(
            [str(_BIN / "storewarden"), *argv],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *argv: str) -> Done:
        """``storewarden`` with ``argv``, to its end."""
        process = self.start(*argv)
        out, err = process.communicate(timeout=PATIENCE)
        return Done(process.returncode, out, err)

    def children(self) -> list[int]:
        """Processes that still work on this site's runs."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.folder / "state").encode() in words:
                    found.append(int(entry.name))
        return found


def interrupt(process: subprocess.Popen[str]) -> Done:
    """Ctrl-C, once."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    return Done(process.returncode, out, err)


def until(condition: object, *, seconds: float = PATIENCE) -> bool:
    """Whether ``condition()`` came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False
