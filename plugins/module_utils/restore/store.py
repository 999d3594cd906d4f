# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The folder of all packs of a host, its lock, and its fence.

The lock is the host's: capture, arming, words from the controller and undo take turns. The fence
remembers the highest epoch seen, so a controller that was thought dead cannot come back and
confirm what another one is undoing; and while a pack is live, nobody but its owner has a say.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from typing import Any, Iterator, Sequence

from .disk import make_folder, read_json, sync_folder, write_json
from .failures import BadItem, PackDamaged, Refused, RestoreError
from .pack import LIVE, Pack
from .system import Host

_PART = ".part"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# It stands in unit files and cron lines.
_FOLDER = re.compile(r"(/[A-Za-z0-9._-]+)+")


def checked_id(name: str) -> str:
    """BadItem unless it can be the name of a folder, and of nothing else."""
    if not _ID.fullmatch(name):
        raise BadItem("id: {0!r}: use letters, digits, dots, dashes and underscores".format(name))
    return name


class Store:
    """All restore points of one host."""

    def __init__(self, host: Host, folder: str) -> None:
        """BadItem for a folder that could not be written into a unit file."""
        if not _FOLDER.fullmatch(folder):
            raise BadItem(
                "folder: {0!r}: an absolute path of plain letters is meant".format(folder)
            )
        self.host = host
        self.folder = folder

    def ensure(self) -> None:
        """The folder, for root only: packs may hold password hashes."""
        make_folder(self.folder)
        os.chmod(self.folder, 0o700)

    def remove(self, pack: Pack) -> None:
        """A pack is gone at once or not at all; what a killed run leaves is no pack any more."""
        gone = self.part(pack.id)
        shutil.rmtree(gone.folder, ignore_errors=True)
        os.rename(pack.folder, gone.folder)
        sync_folder(self.folder)
        shutil.rmtree(gone.folder, ignore_errors=True)

    def tidy(self) -> None:
        """Remove what killed runs left half made. The caller holds the lock."""
        for name in os.listdir(self.folder):
            if name.startswith(".") and name.endswith(_PART):
                shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)

    def pack(self, name: str) -> Pack:
        return Pack(self.host, os.path.join(self.folder, name))

    def part(self, name: str) -> Pack:
        """Where a pack is made until it is whole; the dot keeps it apart from every id."""
        return Pack(self.host, os.path.join(self.folder, "." + name + _PART))

    def packs(self) -> list[Pack]:
        """Whole packs, the oldest capture first."""
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        found = [self.pack(one) for one in names if not one.startswith(".")]
        return sorted((one for one in found if os.path.isdir(one.folder)), key=_sequence)

    def live(self) -> Pack | None:
        """The pack that is armed or being undone; there is at most one."""
        for pack in self.packs():
            with contextlib.suppress(PackDamaged):
                if pack.state()["phase"] in LIVE:
                    return pack
        return None

    def later(self, pack: Pack, phases: tuple[str, ...], gone: Sequence[str] = ()) -> Pack | None:
        """A pack captured after this one that stands in one of the phases and is not ``gone``."""
        for other in self.packs():
            if other.id not in (pack.id, *gone) and _sequence(other) > _sequence(pack):
                with contextlib.suppress(PackDamaged):
                    if other.state()["phase"] in phases:
                        return other
        return None

    @contextlib.contextmanager
    def locked(self, patience: float) -> Iterator[None]:
        """RestoreError when somebody else holds the lock longer than `patience` seconds."""
        self.ensure()
        handle = os.open(os.path.join(self.folder, ".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        end = time.monotonic() + patience
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= end:
                        raise RestoreError("the host's restore lock is held") from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(handle)

    # fence

    def _fence_file(self) -> str:
        return os.path.join(self.folder, "fence.json")

    def fence(self) -> dict[str, Any]:
        """``epoch``, ``owner``, ``sequence`` as last written; Refused when it cannot be read."""
        try:
            found = read_json(self._fence_file())
            return {key: found[key] for key in ("epoch", "owner", "sequence")}
        except FileNotFoundError:
            return {"epoch": 0, "owner": "", "sequence": 0}
        except (OSError, ValueError, KeyError, TypeError):
            raise Refused("fence.json cannot be read; a person has to look at the host") from None

    def raise_fence(self, epoch: int, owner: str, sequence: int | None = None) -> None:
        before = self.fence()
        after = {
            "epoch": max(epoch, before["epoch"]),
            "owner": owner,
            "sequence": before["sequence"] if sequence is None else sequence,
        }
        if after != before:
            write_json(self._fence_file(), after)

    def admit(self, name: str, epoch: int, owner: str, gone: Sequence[str] = ()) -> None:
        """Refused for an older epoch, and for anybody but the live pack's owner; ``gone`` are
        packs that count as ended."""
        fence = self.fence()
        if epoch < fence["epoch"]:
            raise Refused(
                "epoch {0} is older than {1}, which this host has seen from {2}".format(
                    epoch, fence["epoch"], fence["owner"]
                )
            )
        live = self.live()
        if live is not None and live.state()["owner"] != owner:
            raise Refused(
                "restore point {0} of {1} is live on this host, {2} has to wait".format(
                    live.id, live.state()["owner"], owner
                )
            )
        if live is not None and live.id not in (name, *gone):
            raise Refused(
                "restore point {0} is live on this host; confirm or undo it first".format(live.id)
            )


def _sequence(pack: Pack) -> int:
    return int(pack.last_state()["sequence"])
