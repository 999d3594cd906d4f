# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a getter is: a name, a function, and the words its query may hold."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import (
    QUERY,
    ProbeError,
)


class Getter(NamedTuple):
    """``look(system, query)`` answers a JSON value or raises ProbeError.

    ``required`` and ``optional`` name the query's keys; ``one_of`` are keys of which one is needed.
    """

    name: str
    look: Callable[[Any, dict[str, Any]], Any]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()

    def query_problem(self, query: Any) -> str | None:
        """What is wrong with a query's keys, or None."""
        if not isinstance(query, dict):
            return "q of {0} must be a mapping".format(self.name)
        known = self.required + self.optional + self.one_of
        for key in query:
            if key not in known:
                return "{0} knows no q.{1} (it knows: {2})".format(
                    self.name, key, ", ".join(sorted(known))
                )
        for key in self.required:
            if key not in query:
                return "{0} needs q.{1}".format(self.name, key)
        if self.one_of and not any(key in query for key in self.one_of):
            return "{0} needs one of q.{1}".format(self.name, ", q.".join(self.one_of))
        return None


def texts(value: Any) -> list[str]:
    """A list of texts from a list or one text."""
    values = value if isinstance(value, list) else [value]
    return [str(one) for one in values]


def chosen(query: dict[str, Any], key: str, choices: tuple[str, ...], default: str = "") -> str:
    """``query[key]``, which must be one of ``choices``."""
    value = str(query.get(key, default))
    if value not in choices:
        raise ProbeError(QUERY, "{0}: {1} is not one of {2}".format(key, value, ", ".join(choices)))
    return value
