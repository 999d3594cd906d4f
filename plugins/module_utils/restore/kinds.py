# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All kinds of items, in the order in which undo goes through them.

Packages come first, since their scripts write accounts, files and units; units come last, since
they read everything else. The packet filter opens before anything that may take long, so that
people can look on.
"""

from __future__ import annotations

from typing import Any, Sequence

from .context import Context
from .failures import BadItem
from .item import Item, Kind
from .item_accounts import Account
from .item_audit_rules import AuditRules
from .item_dump import Dump
from .item_files import File, Tree
from .item_modules import Modules
from .item_mounts import Mounts
from .item_nft import Nft
from .item_packages import Package
from .item_pam_profile import PamProfile
from .item_sysctl import Sysctl
from .item_units import Unit

ORDER: tuple[Kind, ...] = (
    Nft(),
    Package(),
    Account(),
    PamProfile(),
    Mounts(),
    Tree(),
    File(),
    Modules(),
    Sysctl(),
    AuditRules(),
    Dump(),
    Unit(),
)
KINDS = {kind.name: kind for kind in ORDER}


def checked(context: Context, given: Sequence[Any]) -> list[Item]:
    """The declared items in their final form, each once; BadItem for one that cannot be meant.

    Several fixes may touch the same file; a unit gets the strongest word that any of them asks for.
    """
    if not given:
        raise BadItem("items: declare at least one")
    found: dict[str, Item] = {}
    for one in given:
        item = _checked(context, one)
        name = label(item)
        found[name] = kind_of(item).stronger(found[name], item) if name in found else item
    return list(found.values())


def _checked(context: Context, given: Any) -> Item:
    if not isinstance(given, dict) or given.get("kind") not in KINDS:
        raise BadItem(
            "items: kind must be one of {0}: {1!r}".format(", ".join(sorted(KINDS)), given)
        )
    return KINDS[given["kind"]].check(context, given)


def kind_of(item: Item) -> Kind:
    return KINDS[item["kind"]]


def label(item: Item) -> str:
    """How reports call the item."""
    return kind_of(item).label(item)
