# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``nft``: the packet filter's rules in force, all of them or one table's.

They are kept as text that ``nft -f`` loads in one transaction, and capture asks nft whether it
would. Counters start anew only when the rules had to be put back.
"""

from __future__ import annotations

import re

from .context import Context
from .failures import BadItem, CaptureFailed, RestoreError
from .item import Item, Kind, Saved

_TABLE = re.compile(r"(ip|ip6|inet|arp|bridge|netdev) \S+")
# The rest of an element's time runs on while nobody changes anything.
_RUNS_ON = re.compile(r" expires [0-9a-z]+")


class Nft(Kind):
    """``table`` as nft writes it, such as ``inet filter``; without it the whole rule set."""

    name = "nft"
    optional = ("table",)

    def check(self, context: Context, item: Item) -> Item:
        found = super().check(context, item)
        if "table" in found and not _TABLE.fullmatch(str(found["table"])):
            raise BadItem("nft: table is family and name, such as 'inet filter'")
        return found

    def label(self, item: Item) -> str:
        return "nft table " + item["table"] if "table" in item else "nft rules"

    def observe(self, context: Context, item: Item) -> Saved:
        words = ["table", *item["table"].split()] if "table" in item else ["ruleset"]
        done = context.host.run(["nft", "--stateless", "list", *words])
        if done.code != 0 and "No such file" in done.err and "table" in item:
            return {"rules": None}
        if done.code == 127 and "table" not in item:
            return {"rules": ""}
        if done.code != 0:
            raise RestoreError("nft: {0}".format(done.last))
        return {"rules": _RUNS_ON.sub("", done.out)}

    def keep(self, context: Context, item: Item, state: Saved) -> Saved:
        if state["rules"]:
            done = context.host.run(["nft", "-c", "-f", "-"], text=_script(item, state))
            if done.code != 0:
                raise CaptureFailed("nft could not load its own rules again: " + done.last)
        return {}

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        if self.observe(context, item) == saved["state"]:
            return False
        context.host.must(["nft", "-f", "-"], text=_script(item, saved["state"]))
        return True


def _script(item: Item, state: Saved) -> str:
    rules = state["rules"] or ""
    if "table" not in item:
        return "flush ruleset\n" + rules
    # Naming it first makes it exist, so that deleting it cannot fail.
    return "table {0}\ndelete table {0}\n{1}".format(item["table"], rules)
