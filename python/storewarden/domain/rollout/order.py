# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order stores are taken: by lot, but so that every kind of store is seen early.

The lot is a salted hash, so that it is the same on every machine and nobody chooses; another
salt draws anew, or one store would be the canary of everything. Of the stores that show a kind
nobody has seen yet, the one that shows the most of them comes first; when all kinds have been
seen, the lot alone decides.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256

type Stratum = tuple[str, ...]
"""The values of a rollout's strata on one device: ("pos", "debian12")."""


def lot(salt: str, store: str) -> bytes:
    """The store's lot."""
    return sha256(f"{salt}\0{store}".encode()).digest()


class Draw:
    """Stores, taken one after another; what was taken decides who comes next."""

    def __init__(self, strata: Mapping[str, frozenset[Stratum]], salt: str) -> None:
        self._strata = strata
        self._order = sorted(strata, key=lambda store: lot(salt, store))
        self._rank = {store: place for place, store in enumerate(self._order)}
        self._seen: set[Stratum] = set()
        self._taken: set[str] = set()
        self._kinds = frozenset[Stratum]().union(*strata.values())
        self._heap = [(-len(found), self._rank[store]) for store, found in strata.items()]
        heapq.heapify(self._heap)

    @property
    def left(self) -> int:
        """Stores that have not been taken."""
        return len(self._order) - len(self._taken)

    @property
    def unseen(self) -> int:
        """Kinds that no store taken so far shows."""
        return len(self._kinds) - len(self._seen)

    def take(self, count: int) -> list[str]:
        """The next ``count`` stores, fewer when there are no more."""
        found: list[str] = []
        while len(found) < count and self._heap:
            promised, rank = heapq.heappop(self._heap)
            store = self._order[rank]
            if store in self._taken:
                continue
            gain = len(self._strata[store] - self._seen)
            if -promised != gain:  # others have shown some of it meanwhile: it waits its turn
                heapq.heappush(self._heap, (-gain, rank))
                continue
            found.append(self._mark(store))
        return found

    def take_named(self, stores: Collection[str]) -> list[str]:
        """Those of ``stores`` that were not taken yet, in the order of their lots."""
        wanted = sorted(
            (each for each in set(stores) if each in self._rank and each not in self._taken),
            key=self._rank.__getitem__,
        )
        return [self._mark(store) for store in wanted]

    def take_of_each(self, count: int) -> list[str]:
        """As many as it takes until ``count`` stores of every kind were taken (or all there are).

        Stores that were taken before count as well.
        """
        shown: dict[Stratum, int] = dict.fromkeys(self._kinds, 0)
        for store in self._taken:
            _count(shown, self._strata[store])
        found: list[str] = []
        for store in self._order:
            own = self._strata[store]
            if store not in self._taken and any(shown[kind] < count for kind in own):
                _count(shown, own)
                found.append(self._mark(store))
        return found

    def _mark(self, store: str) -> str:
        self._taken.add(store)
        self._seen |= self._strata[store]
        return store


def _count(shown: dict[Stratum, int], kinds: Iterable[Stratum]) -> None:
    for kind in kinds:
        shown[kind] += 1
