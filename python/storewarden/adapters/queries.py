# SPDX-License-Identifier: GPL-3.0-or-later
"""JMESPath expressions of the settings, compiled when the settings are read.

The only place that knows the library: ticket systems, senders of alerts and rules ask here, so an
expression means the same wherever it stands, and one that is misspelt is a refusal at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from storewarden.domain.errors import AdapterError, ConfigInvalid

# Functions of the library raise these for values that they were not made for.
_UNFIT = (JMESPathError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError)


class Query:
    """An expression, compiled; empty finds nothing. ``where`` is its key, as refusals name it."""

    __slots__ = ("_compiled", "key")

    def __init__(self, where: str, expression: str) -> None:
        """Raises ConfigInvalid for what is no expression."""
        self.key = where
        try:
            self._compiled = jmespath.compile(expression) if expression else None
        except JMESPathError as error:
            raise ConfigInvalid(
                f"is no JMESPath expression: {_first_line(error)}", where=self.key
            ) from None

    def of(self, data: object) -> Any:
        """What it finds; AdapterError for data on which it cannot work."""
        if self._compiled is None:
            return None
        try:
            return self._compiled.search(data)
        except _UNFIT as error:
            raise AdapterError(f"does not fit the answer: {_why(error)}", where=self.key) from None

    def text(self, data: object) -> str:
        """What it finds, as text; empty for nothing."""
        found = self.of(data)
        return "" if found is None else str(found)

    def items(self, data: object) -> list[Any]:
        """What it finds, when it is a list; AdapterError when it is not."""
        found = self.of(data)
        if not isinstance(found, list):
            raise AdapterError("finds no list in the answer", where=self.key, retryable=True)
        return found


def condition(where: str, expression: str) -> Callable[[Mapping[str, object]], object]:
    """An expression of a heal rule. Raises ConfigInvalid; what it gives raises ValueError for data
    on which it cannot work."""
    query = Query(where, expression)

    def asked(data: Mapping[str, object]) -> object:
        try:
            return query.of(data)
        except AdapterError as error:
            raise ValueError(str(error)) from None

    return asked


def _why(error: Exception) -> str:
    return _first_line(error) if isinstance(error, JMESPathError) else type(error).__name__


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
