# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a lab host: put it into each state, evaluate the control there, print the verdicts.

One JSON document on standard input: ``{archive, states}``; ``archive`` is the evaluator as a
base64 zip file, a state is ``{script, control, root, files_only}``. One JSON list on standard
output, an entry per state. A state that touches files only gets a view of the file systems of its
own, which ends with it; the others change the host, so the caller sends a fresh host for each.

Standard library only, for the host's own Python.
"""

from __future__ import annotations

import base64
import ctypes
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

_PACKAGE = "ansible_collections.storewarden.ops.plugins.module_utils.baseline"
_FOLDERS = ("/etc", "/usr", "/var", "/home", "/root")
_SCRIPT_SECONDS = 240
# <linux/sched.h>, <linux/mount.h>
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


class Broken(Exception):
    """The state could not be reached, or nothing was seen of it; the text says why."""


def main() -> None:
    work = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        archive = io.BytesIO(base64.b64decode(work["archive"]))
        zipfile.ZipFile(archive).extractall(folder)
        sys.path.insert(0, folder)
        importlib.import_module(_PACKAGE + ".evaluate")
        importlib.import_module(_PACKAGE + ".host_system")
        json.dump([_in_a_child(state) for state in work["states"]], sys.stdout)


def _in_a_child(state: dict) -> dict:
    """A process per state: its view of the files and all that it remembers end with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = _shown(state)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shall say it
            answer = {"broken": f"{type(error).__name__}: {error}"}
        os.close(reader)
        with os.fdopen(writer, "w") as stream:
            json.dump(answer, stream)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"broken": "its process ended without an answer"}


def _shown(state: dict) -> dict:
    if state["files_only"]:
        _own_view()
    _reach(state["script"])
    system = sys.modules[_PACKAGE + ".host_system"].HostSystem(state["root"])
    return sys.modules[_PACKAGE + ".evaluate"].evaluate_control(system, state["control"])


def _own_view() -> None:
    _done(_libc.unshare(_CLONE_NEWNS), "unshare")
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE, None)
    _mount("tmpfs", "/mnt", "tmpfs", 0, None)
    for folder in _FOLDERS:
        upper, work = "/mnt/upper" + folder, "/mnt/work" + folder
        Path(upper).mkdir(parents=True)
        Path(work).mkdir(parents=True)
        options = f"lowerdir={folder},upperdir={upper},workdir={work}"
        _mount("overlay", folder, "overlay", 0, options)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    words = [one.encode() if one else None for one in (source, target, kind)]
    _done(_libc.mount(*words, flags, options.encode() if options else None), "mount " + target)


def _done(status: int, what: str) -> None:
    if status != 0:
        raise Broken(f"{what}: {os.strerror(ctypes.get_errno())}")


def _reach(script: str) -> None:
    if script.strip() == "true":
        return
    done = subprocess.run(
        ["sh", "-eu"],
        input=script,
        capture_output=True,
        text=True,
        timeout=_SCRIPT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        text = (done.stderr or done.stdout).strip()[-300:]
        raise Broken(f"the script ended with {done.returncode}: {text}")


if __name__ == "__main__":
    main()
