# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options that all modules for libraries share, and what they mean together."""

from __future__ import annotations

import re
from typing import Any, Mapping

from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit

from .library import Wanted

_MODE = re.compile(r"0[0-7]{3}")

SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "target": {"type": "path", "required": True},
    "stage": {"type": "path", "required": True},
    "serial_file": {"type": "str", "default": ""},
    "allow_older": {"type": "bool", "default": False},
    "validate": {"type": "list", "elements": "str", "default": []},
    "validate_seconds": {"type": "float", "default": 120.0},
    "unit": {"type": "str", "default": ""},
    "unit_action": {"type": "str", "choices": ["restart", "reload"], "default": "reload"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
    "strip": {"type": "int", "default": 0},
}


def wanted(given: Mapping[str, Any], sha256: str, file_name: str) -> Wanted:
    """Unfit for a mode that is none."""
    values = {name: given[name] for name in SPEC}
    # YAML takes 0640 without quotes for the number 416, which would be read as 0416 here.
    if not _MODE.fullmatch(str(given["mode"])):
        raise Unfit(
            "mode: {0!r}: octal digits in quotes such as '0644' are meant".format(given["mode"]),
            "mode：{0!r}：应为加引号的八进制数字，例如 '0644'".format(given["mode"]),
        )
    values["mode"] = int(str(given["mode"]), 8)
    values["validate"] = tuple(given["validate"])
    return Wanted(sha256=sha256, file_name=file_name, **values)
