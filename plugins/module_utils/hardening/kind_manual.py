# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``manual``: what people have to do. The controller never sends it here."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed, Step


def plan(_system: Any, _fix: dict[str, Any]) -> Step:
    """Always refused."""
    raise FixFailed("this is for people to do", "需人工处理")
