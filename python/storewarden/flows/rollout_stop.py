# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill switch: nothing new begins on any host until somebody explicitly lets it go on.

It is on when a file named STOP lies in the state directory (``touch STOP`` works when everything
else is broken), or when the ledger's last word about it is a stop, which holds on every machine.
It is looked at before every dispatch. What is under way comes to its end: stopping a host in the
middle is what does harm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.ledger import JournalEntry, Ledger

STOP_FILE = "STOP"
STOPPED = "rollouts stopped"
GO_ON = "rollouts go on"
_RUN = "kill switch"
_LONGEST = 200  # characters of a reason that are shown


_BY_FILE, _BY = "stopped by the file ", "stopped by "


def in_chinese(frozen: str) -> str:
    """What the switch said, in Chinese; what people wrote stays as they wrote it."""
    if frozen.startswith(_BY_FILE):
        return f"已由文件停止：{frozen.removeprefix(_BY_FILE)}"
    if frozen.startswith(_BY):
        return f"已由人员停止：{frozen.removeprefix(_BY)}"
    return frozen


@dataclass(slots=True)
class KillSwitch:
    """The switch of one site; cheap to ask."""

    ledger: Ledger
    folder: Path
    _last: int = field(default=0, init=False)

    def __call__(self) -> str:
        """Why nothing may begin; "" when it may."""
        return self._by_file() or self._by_ledger()

    def stop(self, by: str, reason: str) -> None:
        """Stop everything; again: nothing more happens."""
        if self._by_ledger():
            return
        self._write(STOPPED, by, reason)

    def go_on(self, by: str, reason: str) -> None:
        """Take the switch back. Raises Refused when a STOP file lies there: whoever laid it down
        takes it away."""
        if self._by_file():
            raise Refused(
                "a STOP file lies there",
                where=str(self.folder / STOP_FILE),
                hint="look who laid it down and why, then remove it",
            )
        if self._by_ledger():
            self._write(GO_ON, by, reason)

    def _by_file(self) -> str:
        path = self.folder / STOP_FILE
        try:
            with path.open("rb") as stream:
                text = " ".join(stream.read(1000).decode("utf-8", "replace").split())
        except FileNotFoundError:
            return ""
        except OSError:
            text = ""
        return f"{_BY_FILE}{path}{': ' + text[:_LONGEST] if text else ''}"

    def _by_ledger(self) -> str:
        entry = self._newest()
        if entry is None or entry.kind != STOPPED:
            return ""
        return f"{_BY}{entry.body.get('by')}: {str(entry.body.get('reason'))[:_LONGEST]}"

    def _newest(self) -> JournalEntry | None:
        """The last word; what was read before is never read again."""
        entry = self.ledger.entry(_RUN, str(self._last)) if self._last else None
        while (later := self.ledger.entry(_RUN, str(self._last + 1))) is not None:
            entry = later
            self._last += 1
        return entry

    def _write(self, kind: str, by: str, reason: str) -> None:
        if not reason.strip():
            raise ConfigInvalid("say why", where="--reason")
        body = {"by": by, "reason": reason}
        self.ledger.append(kind, body, run=_RUN, step=str(self._last + 1))
