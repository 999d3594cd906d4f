# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that touches Ansible: the runner, the inventory, the collection.

``runner`` starts and finds runs, ``supervisor`` lives beside each of them,
``lease`` becomes the play, ``verdict`` judges what the play wrote down. Names
are loaded on first use: the lease wrapper starts with every run and must be quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storewarden.adapters.ansible.content import InstalledContent
    from storewarden.adapters.ansible.inventory import AnsibleInventory
    from storewarden.adapters.ansible.runner import PlaybookRunner

__all__ = ["AnsibleInventory", "InstalledContent", "PlaybookRunner"]

_HOMES = {
    "AnsibleInventory": "inventory",
    "InstalledContent": "content",
    "PlaybookRunner": "runner",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(name)
