# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks the journal's chain and says what was done to it.

One entry is *intact* when its hash fits its own content, and *linked* when it
names the hash of the entry before. What is found is told by kind:

* not intact: **altered**, or, when its hash fits another number, **re-ordered**;
* numbers missing in the middle: **deleted**; at the end, before the head: **cut off**;
* intact but not linked, or behind the head, or the reason why all that follow
  carry the number after their own: **inserted**.

Whoever rewrites the whole chain makes a fine chain; only a hash remembered
elsewhere (an anchor) shows that, so ``known`` hashes are compared, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from storewarden.ports.journal import GENESIS, Sealed, seal
from storewarden.ports.ledger import Problem

_LOOKED_AT = 200  # misplaced entries that are matched with each other; the rest is only named
_TEXTS = ("at", "kind", "run", "step", "previous", "hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One stored entry in the walk; ``sealed`` is None when a column has the wrong type."""

    sequence: int
    sealed: Sealed | None
    hash: str
    computed: str

    @property
    def intact(self) -> bool:
        """Whether the hash fits the content."""
        return self.computed == self.hash


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suspect:
    link: Link
    before: str  # hash of the entry in front
    earlier: str  # hash of the one in front of that


_START = Link(sequence=0, sealed=None, hash=GENESIS, computed=GENESIS)


def link_of(row: Mapping[Any, Any]) -> Link:
    """A raw row as a link. Anything may stand in its columns."""
    texts = {name: row[name] for name in _TEXTS}
    sound = isinstance(row["body"], bytes) and all(isinstance(t, str) for t in texts.values())
    if not sound:
        return Link(sequence=row["sequence"], sealed=None, hash=str(row["hash"]), computed="")
    values = {name: row[name] for name in Sealed.__slots__}
    sealed = Sealed(**values)
    return Link(sequence=row["sequence"], sealed=sealed, hash=row["hash"], computed=seal(sealed))


class ChainCheck:
    """Takes links in the order of their numbers, then the head; collects problems."""

    def __init__(self, known: Mapping[int, str]) -> None:
        """``known`` maps sequences to hashes that were remembered elsewhere."""
        self.entries = 0
        self.last = _START
        self._earlier = GENESIS
        self._known = dict(known)
        self._suspects: list[_Suspect] = []
        self._missing: list[range] = []
        self._found: list[tuple[int, Problem]] = []

    def take(self, link: Link) -> None:
        """The next link. Its number is above the one before."""
        self.entries += 1
        self._anchored(link)
        expected = self.last.sequence + 1
        if link.sequence < 1:
            self._say(link.sequence, "inserted: entries are numbered from 1")
            return
        if link.sequence > expected:
            self._missing.append(range(expected, link.sequence))
        self._place(link, gap=link.sequence > expected)
        self._earlier, self.last = self.last.hash, link

    def close(self, heads: list[tuple[int, str]]) -> list[Problem]:
        """All problems by entry number, after comparing with the head rows."""
        self._judge_suspects()
        for gap in self._missing:
            self._say(gap.start, "deleted", until=gap.stop - 1)
        self._judge_head(heads)
        for sequence in sorted(self._known):
            self._say(sequence, "cut off or deleted: its hash was remembered elsewhere")
        self._found.sort(key=lambda pair: pair[0])
        return [problem for _, problem in self._found]

    def _anchored(self, link: Link) -> None:
        remembered = self._known.pop(link.sequence, link.hash)
        if remembered != link.hash:
            self._say(link.sequence, "altered: its hash is not the one remembered elsewhere")

    def _place(self, link: Link, *, gap: bool) -> None:
        if not link.intact:
            suspect = _Suspect(link=link, before=self.last.hash, earlier=self._earlier)
            self._suspects.append(suspect)
            return
        linked = link.sealed is not None and link.sealed.previous == self.last.hash
        # Behind a gap or a broken entry the link must fail; the cause is named already.
        if not linked and not gap and self.last.intact:
            what = f"inserted, or entry {self.last.sequence} was replaced: they are not linked"
            self._say(link.sequence, what)

    def _judge_suspects(self) -> None:
        numbers = [suspect.link.sequence for suspect in self._suspects[:_LOOKED_AT]]
        numbers += [number for gap in self._missing for number in gap[:_LOOKED_AT]]
        shift = 0
        for suspect in self._suspects:
            written = _written_as(suspect.link, numbers, shift)
            if written is None:
                self._say(suspect.link.sequence, "altered: its hash does not fit its content")
                shift = 0
                continue
            if written - suspect.link.sequence != shift:
                self._moved(suspect, written)
            # All that follow are off by the same number: one cause, told once.
            shift = written - suspect.link.sequence

    def _moved(self, suspect: _Suspect, written: int) -> None:
        sequence, sealed = suspect.link.sequence, suspect.link.sealed
        previous = sealed.previous if sealed else ""
        if written == sequence - 1 and previous == suspect.earlier:
            self._say(sequence - 1, "inserted: the entries behind it were renumbered")
        elif (
            written == sequence + 1
            and previous != suspect.before
            and not self._exchanged(sequence, written)
        ):
            self._say(sequence, f"deleted: what stands there was written as entry {written}")
        else:
            self._say(sequence, f"re-ordered: it was written as entry {written}")

    def _exchanged(self, sequence: int, written: int) -> bool:
        """Whether the entry now at ``written`` was written as ``sequence``: two changed places."""
        other = next((s.link for s in self._suspects if s.link.sequence == written), None)
        return other is not None and _fits(other, sequence)

    def _judge_head(self, heads: list[tuple[int, str]]) -> None:
        last = self.last
        if len(heads) != 1:
            self._found.append((last.sequence + 1, _head(f"{len(heads)} rows instead of one")))
            return
        sequence, sealed = heads[0]
        if sequence > last.sequence:
            self._say(last.sequence + 1, "cut off", until=sequence)
        elif sequence < last.sequence:
            self._say(sequence + 1, "inserted behind the head", until=last.sequence)
        elif sealed != last.hash:
            self._found.append((last.sequence, _head(f"altered: not the hash of entry {sequence}")))

    def _say(self, sequence: int, what: str, *, until: int | None = None) -> None:
        several = until is not None and until > sequence
        where = f"entries {sequence}-{until}" if several else f"entry {sequence}"
        self._found.append((sequence, Problem(where=where, what=what)))


def _written_as(link: Link, numbers: list[int], shift: int) -> int | None:
    near = (link.sequence + shift, link.sequence - 1, link.sequence + 1)
    return next((number for number in (*near, *numbers) if _fits(link, number)), None)


def _fits(link: Link, number: int) -> bool:
    """Whether the hash is that of the content under another number."""
    if link.sealed is None:
        return False
    return seal(replace(link.sealed, sequence=number)) == link.hash


def _head(what: str) -> Problem:
    return Problem(where="journal head", what=what)
