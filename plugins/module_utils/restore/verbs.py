# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a controller may say to a host, and what the host answers.

Each word takes the host's lock and passes the fence before it does anything. A word that comes
too late is refused, and answered by one more undo and check: whoever sent it may have gone on
changing the host after it had already gone back.
"""

from __future__ import annotations

import os
import subprocess
from typing import Any, NamedTuple, Sequence

from . import apply_guard
from .blobs import Blobs
from .capture import Wish, capture, look_by_program
from .clock import Clock
from .comparing import compare
from .context import Context, Exclusions, checked_exclusions
from .dead_man import PLAIN, DeadMan, choose
from .failures import BadItem, PackDamaged, Refused, RestoreError
from .kinds import checked
from .pack import LIVE, UNDONE, Cause, Pack, Phase
from .records import FOLDER
from .reports import report
from .store import Store, checked_id
from .system import Host
from .turns import dead_man, undo_now

_PATIENCE = 600.0
_UNDO_SECONDS = 3600.0
_DAY = 86400.0
# Packs (by manifest) whose program has been tried by this very process.
_TRIED: set[str] = set()


class Request(NamedTuple):
    """One word of a controller; see the module's documentation for the fields."""

    id: str = ""
    owner: str = ""
    epoch: int | None = None
    items: Sequence[Any] = ()
    exclude: Sequence[dict[str, Any]] = ()
    package_sources: Sequence[str] = ()
    deadline: float = 300.0  # seconds of running time
    apply: dict[str, Any] | None = None
    dead_man: str = "auto"
    days: float = 30.0
    dry: bool = False
    before: Sequence[str] = ()  # with dry: restore points that would have been undone by then
    exact: bool = False  # of an extension: exactly this deadline, also when it is an earlier one


class Answer(NamedTuple):
    """Whether the word changed anything, in one line, and what is known now."""

    changed: bool
    text: str
    report: dict[str, Any]


class Verbs:
    """The verbs of one host's store. Each takes the host's lock, so they are not nested.

    RestoreError (BadItem, CaptureFailed, Refused) when a word is not carried out.
    """

    def __init__(self, host: Host, folder: str = FOLDER, clock: Clock | None = None) -> None:
        self._host = host
        self._store = Store(host, folder)
        self._clock = clock or Clock(host)

    def captured(self, ask: Request) -> Answer:
        """A whole, verified pack of the declared items; nothing at all on failure."""
        bare = Context(self._host, Blobs(""), Exclusions([], self._store.folder))
        exclude, items = checked_exclusions(ask.exclude), checked(bare, ask.items)
        wish = Wish(checked_id(ask.id), ask.owner, self._epoch(ask), items)
        wish.exclude, wish.sources = exclude, ask.package_sources
        self._settle(ask)
        with self._store.locked(_PATIENCE):
            self._admit(ask)
            pack = self._store.pack(ask.id)
            if pack.exists() and self._phase(pack) != Phase.CAPTURED.value:
                raise Refused("restore point {0} is {1}; take another id".format(
                    ask.id, self._phase(pack)
                ), report(pack, self._clock))  # fmt: skip
            if pack.exists() and self._same(pack, wish):
                return self._answer(pack, False, "is captured already")
            if ask.dry:
                return Answer(True, "would capture {0} items".format(len(items)), {"id": ask.id})
            number = self._store.fence()["sequence"] + 1
            self._store.raise_fence(wish.epoch, ask.owner, number)
            pack = capture(self._store, self._clock, wish, number)
            _TRIED.add(pack.state()["manifest"])
        return self._answer(pack, True, "captured {0} items".format(len(items)))

    def _settle(self, ask: Request) -> None:
        """A live pack whose deadline passed and whose timer is lost would bar the host for good."""
        live = self._store.live()
        if live is None or ask.dry:
            return
        state = live.state()
        passed = state["phase"] != Phase.ARMED.value or self._clock.left(state["deadline"]) < 0
        if passed and not dead_man(live, state).alive():
            reason = "the deadline had passed and no timer was left"
            self._undo(live, reason, Cause.DEADLINE)

    def _same(self, pack: Pack, wish: Wish) -> bool:
        """Whether a capture now would come to the same pack."""
        if pack.damage() or pack.state()["owner"] != wish.owner:
            return False
        if [pack.item(number)["item"] for number in range(pack.count())] != wish.items:
            return False
        return pack.manifest()["exclude"] == wish.exclude and not look_by_program(pack)["different"]

    def armed(self, ask: Request) -> Answer:
        """The dead-man timer runs; refused for a damaged pack or a host that has moved on."""
        with self._store.locked(_PATIENCE):
            pack, state = self._admitted(ask)
            if state["phase"] == Phase.ARMED.value:
                return self._answer(pack, False, "is armed already")
            if state["phase"] != Phase.CAPTURED.value:
                raise self._no(pack, "is {0} and cannot be armed".format(state["phase"]))
            self._fit_to_arm(pack)
            apply = apply_guard.registered(self._host, ask.apply)
            mode = choose(self._host, ask.dead_man)
            if ask.dry:
                return self._answer(pack, True, "would be armed")
            self._store.raise_fence(self._epoch(ask), ask.owner)
            self._arm(pack, ask, apply, mode)
        return self._answer(pack, True, "armed for {0:g} s".format(ask.deadline))

    def _fit_to_arm(self, pack: Pack) -> None:
        damage = pack.damage()
        if damage:
            raise self._no(pack, "is damaged: {0}".format("; ".join(damage[:3])))
        if pack.state().get("manifest") in _TRIED:
            different = [one["item"] for one in compare(pack, pack.context())[0]]
        else:
            different = look_by_program(pack)["different"]
        if different:
            text = "is not the host's state any more, capture again: {0}"
            raise self._no(pack, text.format(", ".join(different[:5])))

    def _arm(self, pack: Pack, ask: Request, apply: Any, mode: str) -> None:
        """The timer first: one that fires for a pack that is not armed yet does nothing."""
        serial = pack.state()["serial"] + 1
        guard = DeadMan(pack, mode, pack.manifest()["python"])
        deadline = self._clock.granted(ask.deadline)
        try:
            guard.start(ask.deadline, ask.deadline, serial)
            pack.write_state(
                phase=Phase.ARMED.value, mode=mode, serial=serial, apply=apply, boots=0,
                epoch=self._epoch(ask), deadline=deadline,
            )  # fmt: skip
        except (RestoreError, OSError) as error:
            pack.write_state(phase=Phase.CAPTURED.value)
            guard.stop()
            raise RestoreError("restore point {0}: not armed: {1}".format(pack.id, error)) from None

    def extended(self, ask: Request) -> Answer:
        """At least so many seconds from now. Only ``exact`` brings a deadline forward."""
        with self._store.locked(_PATIENCE):
            pack, state = self._admitted(ask)
            if self._in_time(state):
                apply = apply_guard.registered(self._host, ask.apply) or state["apply"]
                if ask.dry:
                    return self._answer(pack, True, "would be extended")
                self._store.raise_fence(self._epoch(ask), ask.owner)
                left = ask.deadline
                if not ask.exact:
                    left = max(left, self._clock.left(state["deadline"]))
                serial = state["serial"] + 1
                pack.write_state(
                    deadline=self._clock.granted(left), serial=serial, apply=apply,
                    epoch=self._epoch(ask),
                )  # fmt: skip
                guard = DeadMan(pack, state["mode"], pack.manifest()["python"])
                guard.start(left, left, serial)
                return self._answer(pack, True, "has {0:.0f} s from now".format(left))
        raise self._late(pack, ask, "extension")

    def confirmed(self, ask: Request) -> Answer:
        """The change stays; timer and boot hook are gone, the pack is kept."""
        with self._store.locked(_PATIENCE):
            pack, state = self._admitted(ask)
            if state["phase"] == Phase.CONFIRMED.value:
                return self._answer(pack, False, "is confirmed already")
            if self._in_time(state):
                if ask.dry:
                    return self._answer(pack, True, "would be confirmed")
                self._store.raise_fence(self._epoch(ask), ask.owner)
                pack.write_state(
                    phase=Phase.CONFIRMED.value, ended=self._clock.wall(), apply=None,
                    epoch=self._epoch(ask),
                )  # fmt: skip
                DeadMan(pack, state["mode"], pack.manifest()["python"]).stop()
                pack.release()
                return self._answer(pack, True, "confirmed")
        raise self._late(pack, ask, "confirmation")

    def undone(self, ask: Request) -> Answer:
        """Everything as it was at capture, or the residue by name; by request, at any time."""
        with self._store.locked(_PATIENCE):
            pack, state = self._admitted(ask)
            self._nothing_on_top(pack, ask.before if ask.dry else ())
            if state["phase"] == Phase.RESTORED.value and not look_by_program(pack)["different"]:
                return self._answer(pack, False, "is undone already")
            if ask.dry:
                return self._answer(pack, True, "would be undone")
            self._store.raise_fence(self._epoch(ask), ask.owner)
        self._undo(pack, "asked for by {0}".format(ask.owner), Cause.REQUEST)
        return self._answer(pack, True, "undone: {0}".format(self._phase(pack)))

    def inspected(self, ask: Request) -> Answer:
        """Reading only: one pack with a look at the host, or all packs and the fence."""
        if not ask.id:
            found = [report(pack, self._clock) for pack in self._store.packs()]
            known = {"packs": found, "fence": self._store.fence()}
            return Answer(False, "{0} restore points".format(len(found)), known)
        pack = self._store.pack(checked_id(ask.id))
        if not pack.exists():
            return Answer(False, "there is no restore point {0}".format(ask.id), {"id": ask.id})
        answer = self._answer(pack, False, "is {0}".format(self._phase(pack)))
        try:
            said = look_by_program(pack)
        except RestoreError as error:
            said = {"damage": pack.damage() or [str(error)]}
        answer.report.update(
            damage=said["damage"], different=said.get("residue", []), now=said.get("fingerprint")
        )
        return answer

    def expired(self, ask: Request) -> Answer:
        """Packs that ended, or were never used, that many days ago are removed; live ones never."""
        with self._store.locked(_PATIENCE):
            old = [pack for pack in self._store.packs() if self._is_old(pack, ask)]
            for pack in old if not ask.dry else []:
                self._store.remove(pack)
        names = [pack.id for pack in old]
        return Answer(bool(old), "{0} restore points expired".format(len(old)), {"expired": names})

    def _is_old(self, pack: Pack, ask: Request) -> bool:
        if ask.id and pack.id != ask.id:
            return False
        try:
            state = pack.state()
        except PackDamaged:
            return False
        last = pack.at("state.json")
        ended = state.get("ended") or _changed(last)
        return state["phase"] not in LIVE and self._clock.wall() - ended >= ask.days * _DAY

    # shared by the verbs

    def _epoch(self, ask: Request) -> int:
        """One that is not given claims nothing: it is the highest that was seen."""
        return self._store.fence()["epoch"] if ask.epoch is None else ask.epoch

    def _admit(self, ask: Request) -> None:
        try:
            gone = ask.before if ask.dry else ()
            self._store.admit(ask.id, self._epoch(ask), ask.owner, gone)
        except Refused as error:
            pack = self._store.pack(ask.id)
            known: dict[str, Any] = {"id": ask.id}
            if pack.exists():
                known = report(pack, self._clock)
            raise Refused(str(error), known) from None

    def _admitted(self, ask: Request) -> tuple[Pack, dict[str, Any]]:
        if ask.deadline <= 0:
            raise BadItem("deadline: seconds above 0 are meant")
        pack = self._store.pack(checked_id(ask.id))
        if not pack.exists():
            raise Refused("there is no restore point {0} on this host".format(ask.id))
        self._admit(ask)
        state = pack.state()
        if state["owner"] != ask.owner:
            raise self._no(pack, "belongs to {0}, not to {1}".format(state["owner"], ask.owner))
        return pack, state

    def _in_time(self, state: dict[str, Any]) -> bool:
        if state["phase"] == Phase.CAPTURED.value:
            raise Refused("the restore point was never armed")
        return state["phase"] == Phase.ARMED.value and self._clock.left(state["deadline"]) > 0

    def _late(self, pack: Pack, ask: Request, word: str) -> Refused:
        """The refusal for a word that came too late, after one more undo and check."""
        state = pack.state()
        if state["phase"] == Phase.CONFIRMED.value:
            return self._no(pack, "is confirmed; there is nothing to extend")
        self._nothing_on_top(pack)
        if not ask.dry:
            self._undo(pack, "{0} came too late".format(word), Cause.LATE)
        text = "has been undone, the {0} came too late; {1} after one more undo"
        return self._no(pack, text.format(word, self._phase(pack)))

    def _nothing_on_top(self, pack: Pack, gone: Sequence[str] = ()) -> None:
        """An older state must not be put under a newer change."""
        later = self._store.later(pack, (*LIVE, Phase.CONFIRMED.value), gone)
        if later is not None:
            raise self._no(
                pack, "lies below {0}, which is newer; undo that one first".format(later.id)
            )

    def _undo(self, pack: Pack, reason: str, cause: Cause) -> None:
        """In a session of its own: it goes on when the line that asked for it is lost."""
        try:
            manifest = pack.manifest()
            python = manifest["python"] if pack.runs(manifest) else ""
        except PackDamaged:
            python = ""
        if not python:
            undo_now(self._store, pack, self._clock, reason, cause)
            return
        argv = [python, *PLAIN, pack.program, "undo", reason, cause.value]
        quiet = subprocess.DEVNULL
        try:
            done = subprocess.run(
                argv, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, timeout=_UNDO_SECONDS,
                start_new_session=True, check=False, cwd="/",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RestoreError("restore point {0}: undo takes longer than {1:.0f} s".format(
                pack.id, _UNDO_SECONDS
            )) from None  # fmt: skip
        if done.returncode != 0 or self._phase(pack) not in UNDONE:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise RestoreError("restore point {0}: undo did not come to its end: {1}".format(
                pack.id, said[-1] if said else "status {0}".format(done.returncode)
            ))  # fmt: skip

    def _phase(self, pack: Pack) -> str:
        try:
            return str(pack.state()["phase"])
        except PackDamaged:
            return "damaged"

    def _no(self, pack: Pack, text: str) -> Refused:
        return Refused("restore point {0} {1}".format(pack.id, text), report(pack, self._clock))

    def _answer(self, pack: Pack, changed: bool, text: str) -> Answer:
        found = report(pack, self._clock)
        return Answer(changed, "restore point {0} {1}".format(pack.id, text), found)


def _changed(path: str) -> float:
    """When a file was last written, by the wall clock."""
    return os.stat(path).st_mtime
