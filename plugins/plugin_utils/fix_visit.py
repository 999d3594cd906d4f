# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The visits to a host that make up one fix, and what each answer means.

The first visit makes the change and ends. The second, over a connection of its own, confirms. When
the second does not succeed, nothing is repaired from here: either the host can be told to undo, or
it does so by itself, and then a third visit reads its record.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.storewarden.ops.plugins.plugin_utils.fresh_connection import (
    answering,
    closed_ports,
    drop,
    unshared,
)

Answer = dict[str, Any]
_OWN = ("listeners",)  # answers that are ours and no part of the report


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One fix: ``work`` for the host, the ports to reach afterwards, patience in seconds.

    ``role_ports`` must answer as before: those that we reach before the change, and that the host
    does not mean to close, we must reach after it.
    """

    work: dict[str, Any]
    ports: tuple[int, ...] = ()
    role_ports: tuple[int, ...] = ()
    probe_seconds: float = 30.0
    return_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """``call(word, work)`` asks the host and raises AnsibleError when it does not answer."""

    connection: Any
    call: Callable[[str, dict[str, Any]], Answer]
    address: str
    pause: float = 1.0  # seconds between two attempts

    def plan(self, visit: Visit) -> Answer:
        """What would be done; the host's own error ends the task."""
        return self.call("planned", visit.work)

    def change(self, visit: Visit) -> Answer:
        """The report of the whole fix."""
        stood = answering(self.address, visit.role_ports)
        end = time.monotonic() + visit.work["deadline"] + visit.return_seconds
        try:
            with unshared(self.connection):
                answer = self.call("applied", visit.work)
        except AnsibleError as error:
            why = f"the line was lost during the change: {error}"
            # A host that answered has ended its work; behind a lost line it may still be planning.
            lost = isinstance(error, AnsibleConnectionFailure)
            patience = time.monotonic() + (visit.return_seconds if lost else 0.0)
            found = self._come_back(visit, end, why, patience)
            return {**_unseen(visit), **found}
        if answer["outcome"] == "applied":
            ports = dict.fromkeys((*visit.ports, *_kept(stood, answer["listeners"])))
            answer.update(self._second(visit, answer["listeners"], list(ports)))
        return {key: value for key, value in answer.items() if key not in _OWN}

    def _second(self, visit: Visit, listeners: list[Any], ports: list[int]) -> Answer:
        """The visit that confirms. Nothing of the first connection is left when it begins."""
        # The host extended its deadline when it had finished, which was a moment ago.
        end = time.monotonic() + visit.work["deadline"] + visit.return_seconds
        drop(self.connection)
        closed = closed_ports(self.address, ports, visit.probe_seconds)
        word, work = "confirmed", {**visit.work, "controls": [], "listeners": listeners}
        if closed:
            names = ", ".join(map(str, closed))
            word = "undone"
            work["reason"] = {
                "en": f"the controller does not reach port {names} any more",
                "zh": f"控制端已无法访问端口 {names}",
            }
        error = None
        until = time.monotonic() + visit.probe_seconds
        while error is None or time.monotonic() < until:
            try:
                with unshared(self.connection):
                    return self.call(word, work)
            except AnsibleError as failure:
                error = failure
                time.sleep(self.pause)
        return self._come_back(visit, end, f"no new connection after the change: {error}")

    def _come_back(self, visit: Visit, end: float, why: str, begins: float = 0.0) -> Answer:
        """Wait for the host, which goes back by itself, and read what it says about that.

        Until ``begins`` a host without the restore point may still be about to make it.
        """
        reason = {"en": " ".join(why.split()), "zh": "更改后无法建立新连接，主机自行恢复：" + why}
        work = {**visit.work, "controls": [], "reason": reason}
        while (found := self._settled(work)) is None or (
            found["restore_point"] is None and time.monotonic() < min(begins, end)
        ):
            if time.monotonic() >= end:
                return {"outcome": "lost", "reason": reason, "restore_point": visit.work["id"]}
            time.sleep(self.pause)
        return {"reason": reason, **found}

    def _settled(self, work: dict[str, Any]) -> Answer | None:
        """What became of the change, None while that is open."""
        drop(self.connection)
        with contextlib.suppress(AnsibleError), unshared(self.connection):
            seen = self.call("inspected", work)
            phase = seen.pop("phase")
            if phase in ("restored", "residue"):
                told = {key: seen[key] for key in ("restored_after", "residue") if key in seen}
                return {"outcome": "undone", "restore_point": work["id"], **told}
            if phase == "confirmed":
                return {"outcome": "fixed", "restore_point": work["id"]}
            if phase in ("captured", "armed"):
                # It answers again and nobody has confirmed: better back now than at the deadline.
                return {**self.call("undone", work), "restore_point": work["id"]}
            if phase is None:
                return {"outcome": "failed", "restore_point": None}
        return None


def _kept(stood: tuple[int, ...], listeners: list[Any]) -> list[int]:
    """Those of the ports that the host says must listen after the change as well."""
    return [port for port in stood if any(one["port"] == port for one in listeners)]


def _unseen(visit: Visit) -> Answer:
    """The controls of a change whose own report was lost with the line."""
    return {
        "controls": [
            {"id": one["id"], "risk": one["risk"], "changes": [], "reloads": [], "restarts": []}
            for one in visit.work["controls"]
        ]
    }
