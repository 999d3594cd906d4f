# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollout numbers: ``GMBG-20260601-001-R1``, the first rollout of the change of that number."""

from __future__ import annotations

import re

from storewarden.domain.change.numbers import parse_number

_NUMBER = re.compile(r"(?P<change>.{1,40})-R[1-9][0-9]{0,5}", re.ASCII)


def change_of(number: str) -> str:
    """The number of its change. Raises ValueError for a text that is no rollout's number."""
    found = _NUMBER.fullmatch(number)
    if found is None:
        raise ValueError(f"{number[:60]!r} is no rollout number like GMBG-20260601-001-R1")
    parse_number(found["change"])
    return found["change"]
