# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout does where its file says nothing: by class of payload, from the guide.

The numbers are also those that a file is compared with: whoever watches a pilot for less than the
guide asks for is told so by ``storewarden rollout plan``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from storewarden.domain.rollout.spec import PayloadClass, SizeKind, Soak, WaveSize

SUB_WAVE = Fraction(3, 10)
"""Of all stores: what one wave adds at most where "the rest" is not told otherwise."""

_ONE = WaveSize(kind=SizeKind.STORES, stores=1)
_THREE = WaveSize(kind=SizeKind.STORES, stores=3)
_TENTH = WaveSize(kind=SizeKind.SHARE, share=Fraction(1, 10))
REST = WaveSize(kind=SizeKind.SHARE, share=Fraction(1), most_share=SUB_WAVE)
"""Everything that is left, in sub-waves."""
REST_AT_ONCE = WaveSize(kind=SizeKind.SHARE, share=Fraction(1))
"""Everything that is left, in one wave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDefaults:
    """``guide`` is where the soak comes from."""

    waves: tuple[WaveSize, ...]
    soak: Soak
    guide: str


_CAREFUL = (_ONE, _THREE, _TENTH, REST)

DEFAULTS: Mapping[PayloadClass, ClassDefaults] = {
    PayloadClass.PACKAGES: ClassDefaults(
        waves=_CAREFUL, soak=Soak(wall=timedelta(hours=24)), guide="1.3.3"
    ),
    PayloadClass.RELEASE: ClassDefaults(
        waves=(_ONE, _TENTH, REST),
        soak=Soak(wall=timedelta(minutes=30)),
        guide="11.5.4",
    ),
    # Once the pilot was good, the rest has three hours: no time for waves (guide 1.8).
    PayloadClass.CONTENT: ClassDefaults(
        waves=(_TENTH, REST_AT_ONCE),
        soak=Soak(wall=timedelta(hours=24)),
        guide="1.8",
    ),
    PayloadClass.CONFIG: ClassDefaults(
        waves=_CAREFUL, soak=Soak(wall=timedelta(minutes=30)), guide=""
    ),
    PayloadClass.BASELINE: ClassDefaults(
        waves=_CAREFUL,
        soak=Soak(wall=timedelta(hours=24)),
        guide="1.3.3",
    ),
}
"""The one table. Packages cover a day-end settlement; a release is watched half an hour."""
