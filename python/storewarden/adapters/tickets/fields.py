# SPDX-License-Identifier: GPL-3.0-or-later
"""A draft's fields as a system names them, and whether they arrived.

Settings say where ``kind``, ``risk``, ``requester`` and ``hosts`` go and how the system
words their values. A ticket that lacks what was sent is an error for people to look at:
trying again would find the ticket and nobody would ever know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator

from storewarden.adapters.settings import Named, wrong
from storewarden.adapters.tickets.marks import same_text
from storewarden.adapters.tickets.transport import Reply
from storewarden.domain.errors import AdapterError
from storewarden.ports.tickets import TicketDraft

_RUN_ID = re.compile(r"[\w.:/-]+")
DRAFT_FIELDS = ("kind", "risk", "requester", "hosts")


def mapped[T](
    draft: TicketDraft, fields: Mapping[str, T], values: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[T, str], ...]:
    """Where each of the draft's fields goes, with its value in the system's words."""
    return tuple(
        (target, values.get(name, {}).get(draft.fields[name], draft.fields[name]))
        for name, target in fields.items()
        if name in draft.fields
    )


def _of_a_draft[T](given: Mapping[str, T]) -> Mapping[str, T]:
    for name in given:
        if name not in DRAFT_FIELDS:
            raise wrong(
                "no such field of a change", key=name, hint=f"known: {', '.join(DRAFT_FIELDS)}"
            )
    return given


type PerField[T] = Annotated[Named[T], AfterValidator(_of_a_draft)]
"""Something for each of a draft's fields, or for some of them."""


def plain(run_id: str) -> bool:
    """Whether a run id means nothing but itself in every query language."""
    return _RUN_ID.fullmatch(run_id) is not None


def refuse_odd(system: str, run_id: str) -> None:
    """AdapterError for a run id that a query would not find again as it is."""
    if not plain(run_id):
        raise AdapterError("the run id holds characters that a search would misread", where=system)


def part(reply: Reply, name: str) -> Any:
    """One key of a JSON answer; AdapterError when the answer is of another shape."""
    answer = reply.json()
    if not isinstance(answer, dict) or name not in answer:
        raise AdapterError(
            f"the answer holds no {name}", where=reply.where, hint="is the url right?",
            retryable=True,
        )  # fmt: skip
    return answer[name]


@dataclass(frozen=True, slots=True)
class Compared:
    """A field as it was sent and as it was read back."""

    name: str
    sent: str
    read: str

    @property
    def same(self) -> bool:
        """Whether it arrived, up to line breaks and blanks at line ends."""
        return same_text(self.sent, self.read)


def check_made(
    where: str, ticket: str, pairs: Iterable[Compared], clean: Callable[[str], str]
) -> None:
    """AdapterError, permanent, naming the fields of a new ticket that are not as sent."""
    lost = [pair for pair in pairs if not pair.same]
    if not lost:
        return
    first = lost[0]
    names = ", ".join(pair.name for pair in lost)
    raise AdapterError(
        clean(f"ticket {ticket} was made, but does not hold what was sent: {names}"),
        where=where,
        hint=clean(f"{first.name} is {_short(first.read)}, not {_short(first.sent)}; "
                   "correct the settings and the ticket, then release the delivery"),
    )  # fmt: skip


def _short(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= 40 else f'"{line[:37]}..."'
