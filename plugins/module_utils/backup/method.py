# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every kind of data has to be able to do. The engine around it (engine.py) holds the lock,
measures, keeps to limits, and turns failures into a report; a method only knows its tool.

Exit status 0 proves nothing here: a method reads what its tool says and looks at what it left.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any, Iterator, NamedTuple

from .report import SetFacts
from .work import Work


class CopyRules(NamedTuple):
    """``exclude``: patterns, relative to the repository, of what never leaves it (locks).
    ``last``: groups of patterns that are copied after all the rest, group by group, so that a copy
    that was cut off never names what it does not have. ``changing``: the only files that a copy is
    written over with; anything else that differs at the place is damage. A pattern with a "/" is
    for a whole path, another one for a name. ``identity``: paths of files that no other repository
    of the same name has alike; a place where one of them differs gets nothing."""

    exclude: tuple[str, ...] = ()
    last: tuple[tuple[str, ...], ...] = ()
    changing: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()


class Restored(NamedTuple):
    """What came back: ``folders`` of the chain, the full one first (one where the tool joins them
    itself); ``manifest`` is the one from before the backup."""

    folders: tuple[str, ...]
    manifest: dict[str, Any]


class Instance:
    """What was started from restored data, in a scratch place, reachable by nobody else."""

    def structure(self) -> list[str]:
        """What is wrong with its structure, a line each; [] is well (level 3)."""
        raise NotImplementedError

    def manifest(self) -> dict[str, Any]:
        """The manifest made anew from what came back, over the ranges of the one from before."""
        raise NotImplementedError

    def heartbeat(self) -> float | None:
        """The newest moment of the data, in seconds since 1970; None where it has none."""
        return None


class Method:
    """One per kind of data; ``name`` is the policy's word. Raises leaves of BackupFailure."""

    name = ""
    kinds: tuple[str, ...] = ("full",)

    def fits(self, work: Work) -> None:
        """Whether options, tools and source are there. Raises Unfit, BadCredentials, NoRoom."""
        raise NotImplementedError

    def expected(self, work: Work) -> int:
        """Bytes that a set of ``work.order.kind`` will write at most; 0 where nobody can say."""
        return 0

    def needed(self, work: Work) -> int:
        """Bytes that the chain of ``work.order.sets[-1]`` takes once restored; 0 where nobody can
        say. The engine wants ``free_factor`` times as much room for a scratch place."""
        return 0

    def take(self, work: Work) -> SetFacts:
        """One set of ``work.order.kind`` into the repository on this host, with its manifest."""
        raise NotImplementedError

    def copy_rules(self) -> CopyRules:
        """What of the repository is never copied, and what goes last (places.py)."""
        return CopyRules()

    def listed(self, work: Work) -> list[SetFacts]:
        """The sets at ``work.order.place``, oldest first, at level 1 if sizes and chain fit."""
        raise NotImplementedError

    def read(self, work: Work) -> list[SetFacts]:
        """Level 2 at ``work.order.place``: every byte (of ``part``) was read; what is damaged says
        so, with everything that builds upon it."""
        raise NotImplementedError

    def restored(self, work: Work, scratch: str) -> Restored:
        """The chain of ``work.order.sets[-1]`` from ``work.order.place`` into the empty folder
        ``scratch``."""
        raise NotImplementedError

    def examined(self, work: Work, folders: tuple[str, ...]) -> list[str]:
        """What the format's own checker says of restored bytes, a line each (part of level 3)."""
        return []

    def opened(
        self, work: Work, restored: Restored, scratch: str
    ) -> AbstractContextManager[Instance]:
        """An instance over what came back, up to ``work.order.point`` where the method can; it is
        gone when the context ends, however it ends."""
        raise NotImplementedError

    def put_back(self, work: Work, restored: Restored, scratch: str) -> list[str]:
        """Production gets what came back (an approved change, a restore point are the caller's);
        what was done, a line each."""
        raise NotImplementedError

    @contextlib.contextmanager
    def in_place(self, work: Work, restored: Restored) -> Iterator[Instance | None]:
        """Production after ``put_back``, to be looked at like what was rehearsed, and never
        written to; None where a method cannot."""
        yield None

    def removed(self, work: Work) -> list[str]:
        """The sets of ``work.order.sets`` are gone from ``work.order.place``; which ones were."""
        raise NotImplementedError
