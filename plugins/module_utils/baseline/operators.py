# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What "as required" means: one small predicate per operator.

The rule for doubtful input: an operator never passes because it could not compare. A missing or
non-numeric value fails a numeric bound; only the operators on every element of a list
(``all_*``, ``mode_le``, ``subset``, ``disjoint``) pass on an empty list, as the contract says.
"""

from __future__ import annotations

import math
import re
from typing import Any, Callable

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)$")


class BadOperand(Exception):
    """An operand that the operator cannot use; the message says which and why."""


def number(value: Any) -> float | int | None:
    """The number in ``value`` (a number, or text that is one), else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return None if isinstance(value, float) and math.isnan(value) else value
    if isinstance(value, str) and _NUMBER.match(value.strip()):
        text = value.strip()
        return float(text) if "." in text else int(text)
    return None


def items(value: Any) -> list[Any]:
    """A list as it is, a mapping's values, None as no elements, else the value as only element."""
    if value is None:
        return []
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [value]


def same(value: Any, operand: Any) -> bool:
    """Equal; a number operand also equals text that is that number."""
    if isinstance(value, bool) or isinstance(operand, bool):
        return value is operand
    if isinstance(operand, (int, float)):
        return number(value) == operand
    if isinstance(operand, list) and isinstance(value, list):
        return len(value) == len(operand) and all(map(same, value, operand))
    return type(value) is type(operand) and bool(value == operand)


def within(value: Any, operands: Any) -> bool:
    return any(same(value, one) for one in operands)


def at_least(value: Any, low: Any) -> bool:
    seen, bound = number(value), number(low)
    return seen is not None and bound is not None and seen >= bound


def at_most(value: Any, high: Any) -> bool:
    seen, bound = number(value), number(high)
    return seen is not None and bound is not None and seen <= bound


def present(value: Any) -> bool:
    return value is not None and not (isinstance(value, (list, dict)) and not value)


def found(value: Any, pattern: str) -> bool:
    return isinstance(value, (str, int, float)) and re.search(pattern, str(value)) is not None


def mode_bits(value: Any) -> int | None:
    """Permission bits of "0640", "640" or an integer."""
    if isinstance(value, str) and re.match(r"[0-7]{3,5}$", value):
        return int(value, 8)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def mode_within(value: Any, allowed: Any) -> bool:
    limit = mode_bits(allowed)
    if limit is None:
        raise BadOperand("mode_le wants an octal mode in quotes, not {0!r}".format(allowed))
    if value is None:
        return False
    bits = [mode_bits(one) for one in items(value)]
    return all(one is not None and not one & ~limit for one in bits)


def has(value: Any, operand: Any) -> bool:
    """Whether the observed list has an element equal to ``operand``."""
    return any(same(one, operand) for one in items(value))


def contains(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        return str(operand) in re.split(r"[\s,;:]+", value)
    return has(value, operand)


def young(value: Any, seconds: Any, now: float) -> bool:
    stamps = [number(one) for one in items(value)]
    return bool(stamps) and all(one is not None and now - one <= seconds for one in stamps)


def _every(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, operand: all(test(one, operand) for one in items(value))


# name -> (predicate on value and operand, what the operand must be)
OPERATORS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "eq": (same, "any"),
    "ne": (lambda value, operand: not same(value, operand), "any"),
    "in": (within, "list"),
    "ge": (at_least, "number"),
    "le": (at_most, "number"),
    "between": (lambda v, o: at_least(v, o[0]) and at_most(v, o[1]), "pair"),
    "match": (found, "regex"),
    "nmatch": (lambda v, o: not any(found(one, o) for one in items(v)), "regex"),
    "present": (lambda value, operand: present(value) is operand, "bool"),
    "empty": (lambda value, operand: present(value) is not operand, "bool"),
    "subset": (lambda v, o: all(within(one, o) for one in items(v)), "list"),
    "superset": (lambda v, o: all(has(v, one) for one in o), "list"),
    "disjoint": (lambda v, o: not any(within(one, o) for one in items(v)), "list"),
    "mode_le": (mode_within, "mode"),
    "all_in": (_every(within), "list"),
    "all_le": (_every(at_most), "number"),
    "all_ge": (_every(at_least), "number"),
    "all_match": (_every(found), "regex"),
    "contains": (contains, "any"),
    "age_le": (lambda value, operand: young(value, operand, 0.0), "number"),
}


def operand_problem(name: str, operand: Any) -> str | None:
    """Why ``operand`` does not fit operator ``name``, or None."""
    wanted = OPERATORS[name][1]
    good = {
        "any": lambda: True,
        "list": lambda: isinstance(operand, list),
        "number": lambda: number(operand) is not None,
        "pair": lambda: (
            isinstance(operand, list) and len(operand) == 2 and None not in map(number, operand)
        ),
        "bool": lambda: isinstance(operand, bool),
        "mode": lambda: isinstance(operand, str) and mode_bits(operand) is not None,
        "regex": lambda: _compiles(operand),
    }[wanted]
    return None if good() else "{0} wants a {1}, not {2!r}".format(name, wanted, operand)


def _compiles(pattern: Any) -> bool:
    try:
        re.compile(pattern)
    except (re.error, TypeError):
        return False
    return True


def judge(expect: dict[str, Any], value: Any, now: float) -> bool:
    """Whether ``value`` meets every operator of ``expect``. Raises BadOperand."""
    for name, operand in expect.items():
        if name not in OPERATORS:
            raise BadOperand("no operator called {0}".format(name))
        problem = operand_problem(name, operand)
        if problem:
            raise BadOperand(problem)
        if name == "age_le":
            good = young(value, number(operand), now)
        else:
            good = OPERATORS[name][0](value, operand)
        if not good:
            return False
    return True
