# SPDX-License-Identifier: GPL-3.0-or-later
"""``audit --change NUMBER``: the report becomes evidence of a change.

Whether that change can take it is asked before an hour is spent on the audit. Afterwards the
audit stands in the ledger whatever becomes of the attachment, so a failure there is told
beside the report and never instead of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storewarden.cli.change_call import change_number
from storewarden.cli.exits import Exit, exit_of
from storewarden.cli.options import say
from storewarden.domain.change.record import EvidenceKind, State
from storewarden.domain.errors import Refused, StorewardenError
from storewarden.ports.reports import AuditReport, Format, Language, Page
from storewarden.wiring import rendered

if TYPE_CHECKING:
    from storewarden.config import SiteConfig

_MEDIA = "text/html"
_DEAD = (State.REJECTED.value, State.CANCELLED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForChange:
    """The change whose evidence the audit is to be; ``number`` "" for none."""

    settings: SiteConfig
    number: str = ""
    token_file: Path | None = None

    def require(self) -> None:
        """Refuse what could not be attached to. Raises the service's own refusals as well."""
        from storewarden.wiring.service import service  # noqa: PLC0415 - httpx costs 0.2 s

        if not self.number:
            return
        change_number(self.number)
        with service(self.settings, os.environ, self.token_file) as client:
            state = str(client.read(f"/changes/{self.number}")["change"]["state"])
        if state in _DEAD:
            raise Refused(
                f"is {state}: it takes no evidence", where=self.number, hint="open another change"
            )

    def attach(self, report: AuditReport) -> Exit:
        """Attach the report as HTML, once per audit; what came of it."""
        if not self.number:
            return Exit.FINE
        try:
            self._deliver(report)
        except StorewardenError as error:
            again = f"storewarden report {report.audit.id} --format html -o report.html"
            say(f"not attached to {self.number}: {error}; when that is mended: {again}, attach it")
            return exit_of(error)
        say(f"the report is evidence of {self.number} now")
        return Exit.FINE

    def _deliver(self, report: AuditReport) -> None:
        from storewarden.wiring.service import service  # noqa: PLC0415

        page = Page(language=Language(self.settings.site.language), width=100, colour=False)
        content = rendered(report, Format.HTML, page).encode()
        about = {"name": f"{report.audit.id}.html", "kind": EvidenceKind.AUDIT.value, "note": ""}
        path = f"/changes/{self.number}/evidence"
        with service(self.settings, os.environ, self.token_file) as client:
            client.deliver(path, content, _MEDIA, report.audit.id, **about)
