# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody wants rolled out, as one digest: what people say yes to.

It is over everything that a rollout file says and that its payload fills in: payload, options,
waves, soak, gates, budgets. Left out is only which of the change's hosts it takes and in which
order they are drawn, so that two rollouts of one file over two kinds of hosts are one wish. Which
hosts these are the change itself says.
"""

from __future__ import annotations

import json
from hashlib import sha256

from storewarden.domain.rollout.plain import plain_spec
from storewarden.domain.rollout.spec import RolloutSpec

SHOWN = 12
"""Characters of a digest that people are shown."""

_WHO = ("roles", "salt")


def wish_digest(spec: RolloutSpec) -> str:
    """The digest of a wish: 64 hex digits. ``spec`` is a frozen plan's, with its waves."""
    told = {key: value for key, value in plain_spec(spec).items() if key not in _WHO}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()
