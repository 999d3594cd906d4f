# SPDX-License-Identifier: GPL-3.0-or-later
"""A desk over fakes: a ledger in memory, an inventory as a test says, a clock that is moved."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from storewarden.domain.change.commands import Circumstances
from storewarden.domain.change.people import Person
from storewarden.domain.change.record import Change, Kind, Risk, RollbackPlan
from storewarden.domain.change.rules import ApprovalRules
from storewarden.domain.errors import LedgerConflict
from storewarden.flows.change_desk import ChangeDesk, ChangeRequest, DeskParts
from storewarden.flows.change_index import ChangeIndex
from storewarden.flows.change_items import EstateItems
from storewarden.ports.runner import FrozenInventory
from storewarden.testing.inventory import FixedInventory
from storewarden.testing.ledger import ManualClock, MemoryLedger

START = datetime(2026, 6, 1, 15, 30, tzinfo=UTC)  # 23:30 in Shanghai
ASKER = Person(id="op.one", name="One", roles=frozenset({"cashier_support"}))
HEAD = Person(id="head", name="Head", roles=frozenset({"department_head"}))
LEAD = Person(id="lead", name="Lead", roles=frozenset({"operations_lead"}))
SEC = Person(id="sec", name="Sec", roles=frozenset({"security_lead"}))


class MemoryEvidence:
    """The EvidenceStore port."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        """Keep it by its digest."""
        digest = hashlib.sha256(content).hexdigest()
        self.kept[digest] = content
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes."""
        if digest not in self.kept:
            raise LedgerConflict("the document is gone", where=digest)
        return self.kept[digest]


class Place:
    """Everything a desk needs. ``against`` is what windows say to a start."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.ledger = MemoryLedger(self.clock)
        self.evidence = MemoryEvidence()
        self.inventory = FixedInventory(
            FrozenInventory(
                hosts={
                    "pos01": {"sw_store": "000101", "sw_ci": "POS-1", "sw_tier": "ordinary"},
                    "pos02": {"sw_store": "000101", "sw_ci": "POS-2", "sw_tier": "ordinary"},
                    "srv01": {"sw_store": "000102", "sw_ci": "SRV-1", "sw_tier": "core"},
                },
                groups={"tills": ("pos01", "pos02")},
                source="inventory",
            )
        )
        self.against = Circumstances()
        self.index = ChangeIndex(self.ledger.changes, self.ledger)
        self.items = EstateItems(
            self.inventory, ["inventory"], clock=self.clock, zone_known=lambda _name: True
        )

    @classmethod
    def over(cls, ledger: MemoryLedger, clock: ManualClock) -> Place:
        """Another program at the same ledger."""
        place = cls()
        place.ledger, place.clock = ledger, clock
        place.index = ChangeIndex(ledger.changes, ledger)
        return place

    def desk(self, person: Person) -> ChangeDesk:
        """The desk with ``person`` in front of it."""
        return ChangeDesk(self.parts(), person)

    def parts(self) -> DeskParts:
        """Its parts."""
        return DeskParts(
            book=self.ledger.changes,
            index=self.index,
            evidence=self.evidence,
            clock=self.clock,
            rules=ApprovalRules(),
            items=self.items,
            zone=ZoneInfo("Asia/Shanghai"),
            judge_start=lambda _change, _now: self.against,
        )

    def opened(self, **more: object) -> Change:
        """A change that ASKER asked for."""
        return self.desk(ASKER).open(f"k{len(list(self.ledger.journal()))}", request(**more))


def request(**more: object) -> ChangeRequest:
    """A change that only needs the department head."""
    fields: dict[str, object] = {
        "summary": "New price service",
        "kind": Kind.STANDARD,
        "risk": Risk.LOW,
        "reason": "wrong prices",
        "hosts": ("tills",),
        "plan": "install",
        "rollback": RollbackPlan(trigger="no sale", steps="install 1.4", owner="op.one"),
    }
    return ChangeRequest(**(fields | more))  # type: ignore[arg-type]
