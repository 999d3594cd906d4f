# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# ruff: noqa: ARG002 - the methods of all kinds take the same arguments
"""``dump``: a database dump that rides along and is never replayed by the host itself.

Sales made since the dump would be lost with it; only a command that people have approved may
restore data. So undo looks away: no state, no comparison, nothing to put back.
"""

from __future__ import annotations

from . import trees
from .context import Context, absolute
from .failures import CaptureFailed
from .item import Item, Kind, Saved


class Dump(Kind):
    """A file of the host that is copied into the pack."""

    name = "dump"
    required = ("path",)

    def check(self, context: Context, item: Item) -> Item:
        found = super().check(context, item)
        found["path"] = absolute(item, "path", context.host)
        return found

    def estimate(self, context: Context, item: Item) -> int:
        return trees.size(context, item["path"], deep=False)

    def observe(self, context: Context, item: Item) -> Saved:
        return {}

    def keep(self, context: Context, item: Item, state: Saved) -> Saved:
        try:
            return {"digest": context.blobs.keep(context.host.at(item["path"]))}
        except OSError as error:
            raise CaptureFailed("dump {0}: {1}".format(item["path"], error.strerror)) from None

    def contents(self, saved: Saved) -> list[str]:
        return [saved["extra"]["digest"]]

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        return False
