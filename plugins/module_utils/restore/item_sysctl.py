# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``sysctl``: a kernel setting as it is in force. What sets it at boot is a ``file`` item."""

from __future__ import annotations

from .context import Context
from .failures import BadItem, RestoreError
from .item import Item, Kind, Saved


class Sysctl(Kind):
    """The value under /proc/sys, None where this kernel has no such setting."""

    name = "sysctl"
    required = ("name",)

    def check(self, context: Context, item: Item) -> Item:
        found = super().check(context, item)
        if not all(part.strip(".") for part in _parts(item["name"])):
            raise BadItem("sysctl: {0!r} is no setting's name".format(item["name"]))
        return found

    def observe(self, context: Context, item: Item) -> Saved:
        try:
            with open(_place(context, item)) as source:
                return {"value": source.read().rstrip("\n")}
        except FileNotFoundError:
            return {"value": None}
        except OSError as error:
            raise RestoreError("sysctl {0}: {1}".format(item["name"], error.strerror)) from None

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        wanted = saved["state"]["value"]
        if wanted is None or self.observe(context, item) == saved["state"]:
            return False
        with open(_place(context, item), "w") as target:
            target.write(wanted + "\n")
        return True


def _parts(name: str) -> list[str]:
    """As sysctl(8): whichever separator comes first separates; the other one is text."""
    slash, dot = name.find("/"), name.find(".")
    if slash >= 0 and (dot < 0 or slash < dot):
        return name.split("/")
    return [part.replace("/", ".") for part in name.split(".")]


def _place(context: Context, item: Item) -> str:
    return context.host.at("/proc/sys/" + "/".join(_parts(item["name"])))
