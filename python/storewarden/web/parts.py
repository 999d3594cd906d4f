# SPDX-License-Identifier: GPL-3.0-or-later
"""What every route works with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from storewarden.domain.errors import StorewardenError
from storewarden.flows.change_desk import ChangeDesk
from storewarden.flows.change_index import ChangeIndex
from storewarden.ports.ledger import Ledger
from storewarden.ports.people import People
from storewarden.web.access import person_of
from storewarden.wiring import Site


class ServiceStatus(Protocol):
    """What the controller tells of itself."""

    def duties(self) -> Mapping[str, Mapping[str, object]]:
        """Per duty: last tick, next tick, failures in a row, last error (``ports.engine``)."""
        ...

    def wake(self, name: str) -> None:
        """Let a duty tick now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebParts:
    """Opened once, used by all threads; the site alone would open things on first use."""

    site: Site
    status: ServiceStatus
    ledger: Ledger
    people: People
    index: ChangeIndex

    def wake(self, duty: str) -> None:
        """Let a duty tick now. What was written stands: a site that has no such duty, or an engine
        that is just stopping, changes nothing about the answer."""
        with suppress(StorewardenError):
            self.status.wake(duty)


def parts_of(request: Request) -> WebParts:
    """The parts of the application that the request came to."""
    parts = request.app.state.parts
    assert isinstance(parts, WebParts)  # noqa: S101 - for the type checker
    return parts


def desk_of(request: Request) -> ChangeDesk:
    """The desk, with whoever asks in front of it."""
    return parts_of(request).site.change_desk(person_of(request))


Parts = Annotated[WebParts, Depends(parts_of)]
Desk = Annotated[ChangeDesk, Depends(desk_of)]
