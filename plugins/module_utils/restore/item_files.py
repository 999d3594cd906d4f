# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``file`` and ``tree``: a path alone, or with all below it; also when nothing is there."""

from __future__ import annotations

from . import trees
from .context import Context, absolute
from .item import Item, Kind, Saved


class File(Kind):
    """A path alone: content, owner, mode, attributes, link target, or absence.

    A folder as a ``file`` is the folder's own owner and mode, not what lies in it.
    """

    name = "file"
    required = ("path",)
    deep = False

    def check(self, context: Context, item: Item) -> Item:
        found = super().check(context, item)
        found["path"] = absolute(item, "path", context.host)
        return found

    def estimate(self, context: Context, item: Item) -> int:
        return trees.size(context, item["path"], self.deep)

    def observe(self, context: Context, item: Item) -> Saved:
        return trees.observe(context, item["path"], self.deep)

    def keep(self, context: Context, item: Item, state: Saved) -> Saved:
        return trees.keep(context, item["path"], state)

    def contents(self, saved: Saved) -> list[str]:
        return trees.digests(saved["state"])

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        return trees.restore(context, item["path"], saved["state"], saved["extra"], self.deep)


class Tree(File):
    """A path with all below it."""

    name = "tree"
    deep = True
