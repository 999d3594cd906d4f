# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One pack: a folder with all that undo needs, and its own word for whether it is whole.

manifest.json   what was declared and kept, each part with its digest
items/          one file per item: what was declared, how it was, what restoring needs
blobs/          contents, by digest
program.zip     the undo program itself
reserve         room on the disk that undo will need
state.json      where the pack stands: phase, owner, epoch, deadline, registered apply
progress.jsonl  what an undo is about to do and has done
record.json     how the last undo ended
"""

from __future__ import annotations

import contextlib
import json
import os
from enum import Enum
from typing import Any

from .blobs import Blobs
from .context import Context, Exclusions
from .disk import (
    append_json,
    canonical,
    digest_of,
    file_digest,
    hold,
    read_json,
    sync_folder,
    write_flushed,
    write_json,
)
from .failures import PackDamaged
from .kinds import KINDS, kind_of, label
from .system import Host

FORMAT = 1


class Phase(str, Enum):
    """Where a pack stands."""

    CAPTURED = "captured"  # whole and verified; nothing has been applied under it yet
    ARMED = "armed"  # the dead-man timer runs
    UNDOING = "undoing"  # an undo has begun and will come to its end
    CONFIRMED = "confirmed"  # the change stays; the pack can still be undone by request
    RESTORED = "restored"  # undone, and the host is as it was at capture
    RESIDUE = "residue"  # undone as far as possible; the record names the rest


class Cause(str, Enum):
    """Why there was an undo."""

    DEADLINE = "deadline"  # nobody confirmed in time: the host did it by itself
    LATE = "late"  # a word came too late and was answered by one more undo
    REQUEST = "request"  # somebody who had the say asked for it


LIVE = (Phase.ARMED.value, Phase.UNDOING.value)
UNDONE = (Phase.RESTORED.value, Phase.RESIDUE.value)


class Pack:
    """A pack's folder and the files in it."""

    def __init__(self, host: Host, folder: str) -> None:
        self.host = host
        self.folder = folder
        self.id = os.path.basename(folder)
        self.blobs = Blobs(self.at("blobs"))

    def at(self, *names: str) -> str:
        return os.path.join(self.folder, *names)

    @property
    def program(self) -> str:
        return self.at("program.zip")

    def exists(self) -> bool:
        return os.path.isdir(self.folder)

    # state

    def state(self) -> dict[str, Any]:
        """PackDamaged when it cannot be read."""
        try:
            found = read_json(self.at("state.json"))
            body, said = found["body"], found["digest"]
            Phase(body["phase"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PackDamaged("state.json of {0}: {1!r}".format(self.id, error)) from None
        if digest_of(body) != said:
            raise PackDamaged("state.json of {0} is damaged".format(self.id))
        return dict(body)

    def write_state(self, **changes: Any) -> dict[str, Any]:
        """The state with these changes, on the disk when this returns."""
        with_changes = {**self.last_state(), **changes}
        body = {"body": with_changes, "digest": digest_of(with_changes)}
        write_json(self.at("state.json"), body)
        return with_changes

    def last_state(self) -> dict[str, Any]:
        """The state; when it is lost, as much of it as the manifest knows."""
        with contextlib.suppress(PackDamaged):
            return self.state()
        found: dict[str, Any] = {"owner": "", "epoch": 0, "sequence": 0, "deadline": None}
        with contextlib.suppress(PackDamaged):
            found.update(self.manifest()["state"])
        return found

    # contents

    def manifest(self) -> dict[str, Any]:
        """PackDamaged when it is not what was written at capture."""
        try:
            found = read_json(self.at("manifest.json"))
            body, said = found["body"], found["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            raise PackDamaged("manifest.json of {0} cannot be read".format(self.id)) from None
        if digest_of(body) != said:
            raise PackDamaged("manifest.json of {0} is damaged".format(self.id))
        return dict(body)

    def write_manifest(self, body: dict[str, Any]) -> str:
        return self._write(self.at("manifest.json"), body)

    def write_item(self, number: int, body: dict[str, Any]) -> str:
        return self._write(self._item_file(number), body)

    def _write(self, path: str, body: dict[str, Any]) -> str:
        """Its digest. The folder is flushed once, when all are there."""
        digest = digest_of(body)
        write_flushed(path, canonical({"body": body, "digest": digest}) + b"\n")
        return digest

    def _item_file(self, number: int) -> str:
        return self.at("items", "{0:03d}.json".format(number))

    def item(self, number: int) -> dict[str, Any]:
        """``{item, state, extra}``; PackDamaged when it is not what was written at capture."""
        name = "items/{0:03d}.json".format(number)
        try:
            found = read_json(self._item_file(number))
            body, said = found["body"], found["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            raise PackDamaged("{0} of {1} cannot be read".format(name, self.id)) from None
        if digest_of(body) != said or body["item"]["kind"] not in KINDS:
            raise PackDamaged("{0} of {1} is damaged".format(name, self.id))
        return dict(body)

    def count(self) -> int:
        """Number of items, also when the manifest is gone."""
        with contextlib.suppress(PackDamaged):
            return len(self.manifest()["items"])
        with contextlib.suppress(OSError):
            return len([one for one in os.listdir(self.at("items")) if one.endswith(".json")])
        return 0

    def context(self) -> Context:
        """For looking and restoring; a lost manifest costs the exclusions, not the undo."""
        declared: list[dict[str, Any]] = []
        with contextlib.suppress(PackDamaged):
            declared = self.manifest()["exclude"]
        context = Context(self.host, self.blobs, Exclusions(declared, os.path.dirname(self.folder)))
        context.scratch = self.at("scratch")
        return context

    def damage(self) -> list[str]:
        """What is not as it was written, one line each; empty when the pack is whole."""
        try:
            manifest = self.manifest()
        except PackDamaged as error:
            return [str(error)]
        found = []
        for number, one in enumerate(manifest["items"]):
            found += self._item_damage(number, one["digest"])
        if not self.runs(manifest):
            found.append("program.zip of {0} is damaged".format(self.id))
        return found

    def runs(self, manifest: dict[str, Any]) -> bool:
        """Whether the program is the one that was put there."""
        return _digest_or_none(self.program) == str(manifest["program"])

    def _item_damage(self, number: int, digest: str) -> list[str]:
        try:
            body = self.item(number)
        except PackDamaged as error:
            return [str(error)]
        if digest_of(body) != digest:
            return ["items/{0:03d}.json of {1} is another one".format(number, self.id)]
        lost = [one for one in kind_of(body["item"]).contents(body) if not self.blobs.intact(one)]
        name = label(body["item"])
        return ["{0}: the pack's copy {1} is damaged".format(name, one[:12]) for one in lost]

    # undo's own files

    def reserve(self, size: int) -> None:
        """Hold room for the undo: the change itself may fill the disk."""
        hold(self.at("reserve"), size)

    def release(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.at("reserve"))

    def note(self, **what: Any) -> None:
        append_json(self.at("progress.jsonl"), what)

    def forget_notes(self) -> None:
        """What an earlier undo wrote is no news for the next one."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.at("progress.jsonl"))
            sync_folder(self.folder)

    def notes(self) -> list[dict[str, Any]]:
        """What the undo has written so far; a line that was cut off by a crash is left out."""
        found = []
        with contextlib.suppress(OSError), open(self.at("progress.jsonl"), "rb") as source:
            for line in source:
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return found

    def record(self) -> dict[str, Any] | None:
        """How the last undo ended; None when there was none."""
        with contextlib.suppress(OSError, ValueError):
            return dict(read_json(self.at("record.json")))
        return None


def _digest_or_none(path: str) -> str | None:
    try:
        return file_digest(path)
    except OSError:
        return None


def fingerprint(states: list[list[Any]]) -> str:
    """One digest over ``[label, state]`` of all items."""
    return digest_of(states)
