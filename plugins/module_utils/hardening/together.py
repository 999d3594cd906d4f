# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One step out of several, for a kind of fix that is made of others."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Step


def together(steps: list[Step]) -> Step:
    """Everything of all steps, in their order."""
    steps = [one for one in steps if one.changes or one.remains]
    if not steps:
        return Step()

    def act(hands: Any) -> None:
        for one in steps:
            if one.changes:
                one.act(hands)

    first, *others = steps
    fields = {
        name: getattr(first, name) + tuple(more for one in others for more in getattr(one, name))
        for name in Step._fields
        if isinstance(getattr(first, name), tuple)
    }
    return first._replace(act=act, **fields)
