# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking a change back, whatever has happened since.

Every step compares before it acts, so the whole can be begun again at any time: an undo that was
killed, or a machine that lost power in its middle, is continued by the next tick or the boot
unit. What is about to be done is written down before it is done; from that, a later run knows
that services have to be restarted although it finds nothing left to change itself.

It ends in a state that was looked at: equal to the capture, or with what is left over by name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import Any

from . import apply_guard
from .clock import Clock
from .comparing import compare
from .context import Context
from .disk import flush_file_systems, sync_folder, write_json
from .failures import PackDamaged
from .kinds import ORDER, label
from .pack import Cause, Pack, Phase

_PASSES = 2
# Records of earlier undos that stay with the last one.
_EARLIER = 20
# Where items without a path of their own are written to.
_SYSTEM = ("/", "/etc", "/usr", "/var")


def undo(pack: Pack, clock: Clock, reason: str, cause: Cause) -> dict[str, Any]:
    """The record. The caller holds the host's lock and keeps the dead man running."""
    return _Undo(pack, clock, reason, cause).run()


class _Undo:
    def __init__(self, pack: Pack, clock: Clock, reason: str, cause: Cause) -> None:
        self._pack, self._clock, self._reason, self._cause = pack, clock, reason, cause
        self._errors: dict[str, str] = {}

    def run(self) -> dict[str, Any]:
        began = self._clock.now()
        stopped = self._stop_apply()
        self._begin()
        context = self._pack.context()
        context.changed = any(note.get("changed") for note in self._pack.notes())
        residue: list[dict[str, str]] = []
        for _pass in range(_PASSES):
            self._restore_all(context)
            residue, found = compare(self._pack, context)
            if not residue:
                break
            # Restarting services once is enough; a second pass is for what they wrote at that.
            context.restarted = True
        self._flush()
        residue = self._with_reasons(residue)
        if stopped and stopped["running"]:
            residue.append({"item": "apply", "why": "it could not be stopped and still runs"})
        return self._end(began, residue, found, stopped)

    def _stop_apply(self) -> dict[str, Any] | None:
        """After this is written down: from here on nobody may extend or confirm."""
        # A disk that is full may be what has to be undone; the room for this is set free below,
        # when nobody is left who would fill it again.
        with contextlib.suppress(OSError):
            self._pack.write_state(phase=Phase.UNDOING.value)
        apply = self._pack.last_state().get("apply")
        try:
            return apply_guard.stop(self._pack.host, apply)
        except Exception as error:
            self._errors["apply"] = str(error) or repr(error)
            return {"stopped": False, "running": True}

    def _begin(self) -> None:
        self._pack.release()
        self._pack.write_state(phase=Phase.UNDOING.value)
        word = "continued" if self._pack.notes() else "begun"
        about = {"reason": self._reason, "cause": self._cause.value, "number": self._number()}
        self._pack.note(**{word: self._clock.stamp()}, **about)
        shutil.rmtree(self._pack.at("scratch"), ignore_errors=True)
        os.makedirs(self._pack.at("scratch"), 0o700)
        sync_folder(self._pack.folder)

    def _number(self) -> int:
        """Which undo of this pack it is; one that is continued keeps its number."""
        for note in self._pack.notes():
            if "number" in note:
                return int(note["number"])
        return int((self._pack.record() or {}).get("number", 0)) + 1

    def _restore_all(self, context: Context) -> None:
        bodies = self._bodies()
        for kind in ORDER:
            pairs = [(one["item"], one) for one in bodies if one["item"]["kind"] == kind.name]
            if not pairs:
                continue
            for item, saved in pairs:
                self._announce(context, kind, item, saved)
            self._try(kind.name, lambda kind=kind, pairs=pairs: kind.prepare(context, pairs))
            for item, saved in pairs:
                self._restore(context, kind, item, saved)

    def _bodies(self) -> list[dict[str, Any]]:
        """The items that can still be read; comparing names the others."""
        found = []
        for number in range(self._pack.count()):
            with contextlib.suppress(PackDamaged):
                found.append(self._pack.item(number))
        return found

    def _announce(self, context: Context, kind: Any, item: Any, saved: Any) -> None:
        """Write down what differs before anything is done about it."""
        name = label(item)
        try:
            differs = kind.observe(context, item) != saved["state"]
        except Exception as error:
            self._errors[name] = str(error) or repr(error)
            differs = True
        if differs:
            self._pack.note(item=name, changed=True)

    def _restore(self, context: Context, kind: Any, item: Any, saved: Any) -> None:
        """A failure counts as a change: half of it may have been done."""
        if self._try(label(item), lambda: kind.restore(context, item, saved)):
            context.changed = True

    def _try(self, name: str, step: Any) -> Any:
        """Whatever goes wrong with one item, the others are put back all the same."""
        try:
            result = step()
            self._errors.pop(name, None)
            return result
        except Exception as error:
            self._errors[name] = str(error) or repr(error)
            return True

    def _flush(self) -> None:
        """What was put back must not be lost with the power while "restored" is kept."""
        paths = [one["item"].get("path") for one in self._bodies()]
        touched = {path for path in paths if path}.union(_SYSTEM if None in paths else ())
        try:
            flush_file_systems(self._pack.host.at(place) for place in sorted(touched))
        except (OSError, AttributeError):
            os.sync()

    def _with_reasons(self, residue: list[dict[str, str]]) -> list[dict[str, str]]:
        """What is left over, with what stood in the way; and a manifest that was lost."""
        found = []
        for one in residue:
            error = self._errors.get(one["item"])
            found.append({**one, "error": error} if error else one)
        try:
            self._pack.manifest()
        except PackDamaged as error:
            found.append({"item": "manifest", "why": str(error)})
        return found

    def _end(
        self, began: float, residue: list[dict[str, str]], found: str, stopped: Any
    ) -> dict[str, Any]:
        phase = Phase.RESIDUE if residue else Phase.RESTORED
        notes, state = self._pack.notes(), self._pack.last_state()
        first = next((one for one in notes if "begun" in one), {})
        touched = {note["item"] for note in notes if note.get("changed")}
        record = {
            "id": self._pack.id,
            "number": self._number(),
            "owner": state["owner"],
            "epoch": state["epoch"],
            "outcome": phase.value,
            "cause": first.get("cause", self._cause.value),
            "reason": first.get("reason", self._reason),
            "began_at": first.get("begun"),
            "ended_at": self._clock.stamp(),
            "seconds": round(self._clock.now() - began, 3),
            "continued": sum("continued" in one for one in notes),
            "apply": stopped,
            "touched": sorted(touched),
            "residue": residue,
            "fingerprint": found,
            "exclude": self._excluded(),
            "dumps": self._dumps(),
        }
        record["overdue"] = self._overdue(state["deadline"], record["cause"])
        record["earlier"] = self._earlier(record["number"])
        write_json(self._pack.at("record.json"), record)
        self._pack.write_state(phase=phase.value, ended=self._clock.wall())
        self._pack.forget_notes()
        shutil.rmtree(self._pack.at("scratch"), ignore_errors=True)
        return record

    def _overdue(self, deadline: Any, cause: str) -> float | None:
        """Running seconds from the deadline to now, None when no deadline led to this undo, or
        when the machine was off in between."""
        with contextlib.suppress(KeyError, TypeError, OSError):
            if cause == Cause.DEADLINE.value and deadline["boot"] == self._clock.boot():
                return round(-self._clock.left(deadline), 3)
        return None

    def _earlier(self, number: int) -> list[dict[str, Any]]:
        """Records of the undos before; one that this very undo wrote and was killed after goes."""
        last = self._pack.record() or {}
        found = [*last.get("earlier", []), {key: last[key] for key in last if key != "earlier"}]
        return [one for one in found if one.get("number", number) != number][-_EARLIER:]

    def _excluded(self) -> list[dict[str, Any]]:
        with contextlib.suppress(PackDamaged):
            return list(self._pack.manifest()["exclude"])
        return []

    def _dumps(self) -> list[str]:
        """Dumps that ride along: kept, and not replayed."""
        return [label(one["item"]) for one in self._bodies() if one["item"]["kind"] == "dump"]
