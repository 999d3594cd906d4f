# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``modules``: which kernel modules are loaded, the named ones or all.

Without names, modules that came since are taken out again and those that went are put back.
A module that is in use stays, and is named as residue.
"""

from __future__ import annotations

from .context import Context
from .failures import RestoreError
from .item import Item, Kind, Saved, names_of


class Modules(Kind):
    """``names``: the modules that are meant; all when there are none."""

    name = "modules"
    optional = ("names",)

    def check(self, context: Context, item: Item) -> Item:
        found = super().check(context, item)
        if "names" in found:
            found["names"] = sorted({one.replace("-", "_") for one in names_of(item, "names")})
        return found

    def label(self, item: Item) -> str:
        return " ".join(["modules", *item.get("names", [])])

    def observe(self, context: Context, item: Item) -> Saved:
        try:
            with open(context.host.at("/proc/modules")) as source:
                loaded = {line.split()[0] for line in source if line.strip()}
        except FileNotFoundError:
            return {"loaded": None}
        named = item.get("names")
        return {"loaded": sorted(loaded if not named else loaded & set(named))}

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        wanted, now = saved["state"]["loaded"], self.observe(context, item)["loaded"]
        if wanted is None or wanted == now:
            return False
        wrong = []
        for words in _steps(set(wanted), set(now or [])):
            done = context.host.run(["modprobe", *words])
            if done.code != 0:
                wrong.append(done.last)
        if wrong:
            raise RestoreError("; ".join(wrong))
        return True


def _steps(wanted: set[str], now: set[str]) -> list[list[str]]:
    away = [["-r", name] for name in sorted(now - wanted)]
    # Removing one may take those along that it needed, so adding comes last.
    return away + [[name] for name in sorted(wanted - now)]
