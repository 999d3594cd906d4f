# SPDX-License-Identifier: GPL-3.0-or-later
"""Where people and their tokens come from: the files of the ``people`` section."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storewarden.ports.clock import Clock
from storewarden.ports.people import People, TokenBook

if TYPE_CHECKING:
    from storewarden.config.site import SiteConfig
    from storewarden.flows.person_tokens import TokenParts
    from storewarden.wiring.site import Site

TOKENS = "tokens.json"


def people_of(config: SiteConfig, clock: Clock) -> People:
    """The site's people; nobody at all without ``people.file``. Raises ConfigInvalid."""
    from storewarden.adapters.people import PeopleFiles  # noqa: PLC0415 - pydantic costs 0.3 s
    from storewarden.config.people import read_people  # noqa: PLC0415

    return PeopleFiles(
        config.people.file,
        tokens_file(config),
        read=read_people,
        clock=clock,
        zone=ZoneInfo(config.site.timezone),
    )


def token_book(config: SiteConfig, clock: Clock) -> TokenBook:
    """The site's tokens file, for writing."""
    from storewarden.adapters.people import TokenFile  # noqa: PLC0415

    return TokenFile(tokens_file(config), clock=clock)


def tokens_file(config: SiteConfig) -> Path:
    """``people.tokens``, else in the state directory, which belongs to the service's user."""
    return config.people.tokens or config.state_dir / TOKENS


def token_parts(site: Site, by: str) -> TokenParts:
    """What giving and taking tokens works with; ``by`` is who acts."""
    from storewarden.flows.person_tokens import TokenParts  # noqa: PLC0415

    return TokenParts(
        people=lambda: site.people,
        book=token_book(site.config, site.clock),
        ledger=site.ledger,
        clock=site.clock,
        longest=timedelta(days=site.config.people.token_days),
        by=by,
    )
