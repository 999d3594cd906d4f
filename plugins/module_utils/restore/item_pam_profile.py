# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# ruff: noqa: ARG002 - the methods of all kinds take the same arguments
"""``pam_profile``: how people log in: the PAM files and which profiles are selected.

pam-auth-update keeps its selection in /var/lib/pam and in debconf; authselect in /etc/authselect.
Files alone would hold only until the next package update asks the tool to write them again.
"""

from __future__ import annotations

from . import trees
from .context import Context
from .failures import RestoreError
from .item import Item, Kind, Saved

_PLACES = ("/etc/pam.d", "/var/lib/pam", "/usr/share/pam-configs", "/etc/authselect")
_QUESTION = "libpam-runtime/profiles"


class PamProfile(Kind):
    """All PAM files, the tools' own notes, and debconf's answer."""

    name = "pam_profile"

    def label(self, item: Item) -> str:
        return "PAM profile"

    def estimate(self, context: Context, item: Item) -> int:
        return sum(trees.size(context, place) for place in _PLACES)

    def observe(self, context: Context, item: Item) -> Saved:
        files = {place: trees.observe(context, place) for place in _PLACES}
        return {"files": files, "selected": _answer(context)}

    def keep(self, context: Context, item: Item, state: Saved) -> Saved:
        return {one: trees.keep(context, one, state["files"][one]) for one in _PLACES}

    def contents(self, saved: Saved) -> list[str]:
        return [one for state in saved["state"]["files"].values() for one in trees.digests(state)]

    def restore(self, context: Context, item: Item, saved: Saved) -> bool:
        state = saved["state"]
        changed = False
        if state["selected"] is not None and _answer(context) != state["selected"]:
            _talk(context, "SET {0} {1}".format(_QUESTION, state["selected"]))
            changed = True
        for place in _PLACES:
            changed |= trees.restore(context, place, state["files"][place], saved["extra"][place])
        return changed


def _answer(context: Context) -> str | None:
    """What was selected; None without debconf, or when it was never asked."""
    if context.host.root or not context.host.has("debconf-communicate"):
        return None
    try:
        return _talk(context, "GET " + _QUESTION)
    except RestoreError:
        return None


def _talk(context: Context, words: str) -> str:
    said = context.host.must(["debconf-communicate"], text=words + "\n").strip()
    status, _, value = said.partition(" ")
    if status != "0":
        raise RestoreError("debconf: {0}".format(said))
    return value
