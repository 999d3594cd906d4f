# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# ruff: noqa: ARG002 - the methods of all kinds take the same arguments
"""What a kind of item has to be able to do, and what most of them do alike.

`observe` says how things are now, as plain data: the same data again means the same state.
`keep` takes into the pack what `restore` will need. `restore` compares first and does nothing
when nothing differs, so it can be run any number of times, also after half of a run.
"""

from __future__ import annotations

from typing import Any

from .context import Context
from .failures import BadItem

Item = dict[str, Any]
Saved = dict[str, Any]


class Kind:
    """One kind of item; an instance holds no state of its own."""

    name = ""
    # Keys that an item of this kind must and may have, beside `kind`.
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    def check(self, context: Context, item: Item) -> Item:
        """The item in its final form; BadItem says what is wrong with it."""
        missing = [key for key in self.required if not item.get(key)]
        unknown = sorted(set(item) - {"kind", *self.required, *self.optional})
        if missing:
            raise BadItem("{0}: {1} is missing".format(self.name, " and ".join(missing)))
        if unknown:
            raise BadItem("{0}: nobody reads {1}".format(self.name, ", ".join(unknown)))
        return dict(item)

    def label(self, item: Item) -> str:
        """How reports call the item."""
        return " ".join([self.name, *(str(item[key]) for key in self.required)])

    def stronger(self, one: Item, other: Item) -> Item:
        """Of two items with the same label, the one that asks for more."""
        return one

    def estimate(self, context: Context, item: Item) -> int:
        """Bytes that the item will take in the pack."""
        return 0

    def observe(self, context: Context, item: Item) -> Saved:
        raise NotImplementedError

    def keep(self, context: Context, item: Item, state: Saved) -> Saved:
        """What restoring needs beyond the state; CaptureFailed when it cannot be had."""
        return {}

    def contents(self, saved: Saved) -> list[str]:
        """Digests of the contents that the item has in the pack."""
        return []

    def prepare(self, context: Context, pairs: list[tuple[Item, Saved]]) -> None:
        """What is better done once for all items of the kind, before each by itself."""

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        """Put back ``saved`` (its ``state`` and ``extra``); whether anything had to be done."""
        raise NotImplementedError


def names_of(item: Item, key: str) -> list[str]:
    """A list of texts; BadItem otherwise."""
    found = item.get(key) or []
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise BadItem("{0}: {1} must be a list of texts".format(item.get("kind"), key))
    return found
