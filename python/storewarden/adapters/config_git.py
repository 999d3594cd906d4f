# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations in a folder with a Git history: one file per version, named as the guide wants.

Files are what counts: each is written whole and flushed before it has its name. The history tells
when it came, and of every byte that somebody alters later. It is written once per run; a run that
was killed before leaves its files, and the next one's history has them.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from storewarden.domain.backup.device_config import ConfigFile, config_file
from storewarden.domain.errors import AdapterError, ConfigInvalid, Refused

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SECONDS = 120


class GitConfigs:
    """``ports.devices.ConfigStore`` in ``folder``, which is made when it is first written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One writer at a time; the history is written at the end, whatever happened."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._failed(error) from None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Refused(
                    "somebody else is keeping configurations", where=str(self._folder)
                ) from None
            self._prepare()
            try:
                yield
            finally:
                self._commit()
        finally:
            os.close(lock)

    def files(self, device: str) -> Sequence[ConfigFile]:
        """Those of a device, oldest first."""
        try:
            names = [each.name for each in self._of(device).iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._failed(error) from None
        found = (config_file(name) for name in names)
        mine = [each for each in found if each is not None and each.device == device]
        return tuple(sorted(mine, key=lambda each: each.version))

    def text(self, file: ConfigFile) -> str:
        """One of them."""
        try:
            return (self._of(file.device) / file.name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ConfigInvalid("there is no such configuration", where=file.name) from None
        except OSError as error:
            raise self._failed(error) from None

    def keep(self, file: ConfigFile, text: str) -> None:
        """Keep it under its name, durably."""
        place = self._of(file.device) / file.name
        try:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            if place.exists():
                raise ConfigInvalid("there is a configuration of that name", where=str(place))
            fresh = place.with_suffix(".new")
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            fresh.rename(place)
        except OSError as error:
            raise self._failed(error) from None

    def seen(self, file: ConfigFile) -> None:
        """Its time is now."""
        try:
            os.utime(self._of(file.device) / file.name)
        except OSError as error:
            raise self._failed(error) from None

    def _of(self, device: str) -> Path:
        if not _SAFE.fullmatch(device):
            raise ConfigInvalid("this name cannot be a folder", where=device)
        return self._folder / device

    def _prepare(self) -> None:
        history = self._folder / ".git"
        try:
            if not history.exists():
                self._git("init", "--quiet", "--initial-branch=main")
                (history / "info").mkdir(exist_ok=True)
            # Jobs that copy a device's folder elsewhere keep theirs beside it.
            (history / "info/exclude").write_text(".lock\n*.new\n/.copying-*\n/work/\n")
            # We hold the folder's lock: whoever left this one is dead.
            (history / "index.lock").unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error) from None

    def _commit(self) -> None:
        self._git("add", "--all")
        if self._git("status", "--porcelain"):
            self._git("commit", "--quiet", "--no-verify", "--message=configurations")

    def _git(self, *argv: str) -> str:
        """One call; nobody's settings, hooks or signatures but ours."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in (("NAME", "storewarden"), ("EMAIL", "storewarden@localhost"))
            },
        }
        command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", *argv]
        try:
            done = subprocess.run(
                command,
                cwd=self._folder,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
                timeout=_SECONDS,
            )
        except FileNotFoundError:
            raise AdapterError("git is not installed", where="backup.devices") from None
        except subprocess.CalledProcessError as error:
            told = (error.stderr or "").strip().partition("\n")[0]
            raise AdapterError(f"git {argv[0]}: {told}", where=str(self._folder)) from None
        except subprocess.TimeoutExpired:
            raise AdapterError(
                f"git {argv[0]} did not end in {_SECONDS} s", where=str(self._folder)
            ) from None
        return done.stdout

    def _failed(self, error: OSError) -> AdapterError:
        told = (error.strerror or str(error)).lower()
        return AdapterError(told, where=str(error.filename or self._folder))
