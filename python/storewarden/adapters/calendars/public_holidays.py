# SPDX-License-Identifier: GPL-3.0-or-later
"""Public holidays of any country, from the ``holidays`` library.

What it says of China is complete only for years that the State Council has announced: days
off that are moved, and weekends that are worked for them. Before the announcement the fixed
days are there and the moved ones are missing, without a word (measured with 0.109: 2026 has
six moved days off and six working weekend days, 2027 none). So a country that moved days in
each of its last three announced years, and in the year asked about moves none, has not announced
that year: it is provisional.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.maintenance.holiday import DaysOff, HolidayRequest

if TYPE_CHECKING:
    from holidays import HolidayBase

_HABIT = 3  # years
_LOOK_BACK = 12  # years; a library that old knows nothing of now


class CountryHolidays:
    """The PublicHolidays port; names in ``language`` (en or zh) where the library has them."""

    def __init__(self, language: str = "en") -> None:
        self._language = {"zh": "zh_CN", "en": "en_US"}.get(language, "en_US")

    def days_off(self, request: HolidayRequest, years: Sequence[int]) -> DaysOff:
        """Days off of ``years`` and of the years beside them."""
        asked = tuple(sorted(years))
        known = range(asked[0] - _LOOK_BACK, asked[-1] + 2)
        book = self._book(request, known)
        return DaysOff(
            years=asked,
            holidays={day: str(book[day]) for day in book if day.year >= asked[0] - 1},
            worked=frozenset(book.weekend_workdays),
            weekend=frozenset(book.weekend),
            provisional=_unannounced({day.year for day in book.weekend_workdays}, asked),
        )

    def _book(self, request: HolidayRequest, years: range) -> HolidayBase:
        import holidays  # noqa: PLC0415 - costs 0.2 s, and most questions need none

        code = request.country.upper()
        if code not in holidays.list_supported_countries():
            raise ConfigInvalid(
                f"holidays: country {request.country!r} is not known",
                where=request.source,
                hint="two letters as in CN, DE, US",
            )
        plain = holidays.country_holidays(code)
        language = self._language if self._language in plain.supported_languages else None
        try:
            return holidays.country_holidays(
                code, subdiv=request.subdivision or None, years=years, language=language
            )
        except NotImplementedError as error:
            places = ", ".join(plain.subdivisions) or "it has none"
            raise ConfigInvalid(
                f"holidays: {code} has no subdivision {request.subdivision!r}",
                where=request.source,
                hint=f"known: {places}",
            ) from error


def _unannounced(moved: set[int], asked: Sequence[int]) -> frozenset[int]:
    """Years without moved days in a country that moves days every year."""
    last = max(moved, default=0)
    habit = set(range(last - _HABIT + 1, last + 1))
    return frozenset(year for year in asked if year > last) if habit <= moved else frozenset()
