# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rule forbids what, by class of operation, in one table.

The clock alone does not decide: restarting a till's service that is already down helps at
noon, restarting a switch that works does harm. So every piece of work names its class, and
each ground for a refusal names the classes that it forbids.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class OperationClass(Enum):
    """What kind of work it is, as far as windows care; the value is what people type."""

    AUDIT = "audit"  # reads only
    SERVICE_RECOVERY = "service-recovery"  # restarts a service that is already down
    EMERGENCY = "emergency"  # acts first, owes its paperwork (guide 2.5.1)
    CONFIGURATION = "configuration"  # settings, hardening
    PORT_CHANGE = "port-change"  # opens or closes a port (guide 1.9)
    PATCH = "patch"  # packages, firmware, reboots that come with them
    RELEASE = "release"  # a version of an application
    SERVICE_RESTART = "service-restart"  # restarts a service that works
    NETWORK_RESTART = "network-restart"  # restarts a network device
    SCHEMA_CHANGE = "schema-change"  # the structure of a database
    PAYMENT_CONFIGURATION = "payment-configuration"  # the interface to a payment provider
    FINANCE = "finance"  # a finance system
    POS = "pos"  # a till: its system, its software, its settings
    RECORD_DELETION = "record-deletion"  # evidence past its retention, in the ledger alone


class Ground(Enum):
    """Why work is not allowed, or what stands beside an answer; words are in ``words.py``."""

    NO_WINDOW = "no window"  # no window that covers the device is open
    TOO_SHORT = "too short"  # one is open, but it closes before the work is done
    OPENING_HOURS = "opening hours"  # customers are at the tills
    FORBIDDEN_HOURS = "forbidden hours"  # the guide's 09:00-22:00
    BUSY_HOURS = "busy hours"  # nobody defined a window, and it is not a quiet time
    MONTH_END = "month end"  # the books are being closed
    CAMPAIGN = "campaign"  # a marketing campaign
    HOLIDAY = "holiday"  # a public holiday with the days around it: a store's peak
    BLACKOUT = "blackout"  # a blackout of the site's own
    WINDOW = "window"  # in favour: the window that is open
    QUIET_HOURS = "quiet hours"  # in favour: nobody defined a window, and nobody trades
    ALWAYS = "always"  # in favour: no window is needed for this
    OVERRIDE = "override"  # in favour: two people set the grounds aside
    OVERRIDE_INVALID = "override invalid"  # somebody tried, and why it does not count
    ZONE_ASSUMED = "zone assumed"  # beside it: the device has no time zone
    HOURS_ASSUMED = "hours assumed"  # beside it: the store has no opening hours
    PROVISIONAL = "provisional"  # beside it: a year without official holidays yet


NEEDS_NO_WINDOW = frozenset(
    {
        OperationClass.AUDIT,
        OperationClass.SERVICE_RECOVERY,
        OperationClass.EMERGENCY,
        OperationClass.RECORD_DELETION,
    }
)
"""Allowed at any time, unless a blackout of the site's own names the class."""

NEEDS_WINDOW = frozenset(OperationClass) - NEEDS_NO_WINDOW
"""Everything that takes something away from somebody who may be using it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbids:
    """What a ground forbids by default, and where the guide says so."""

    classes: frozenset[OperationClass]
    guide: str = ""


FORBIDS = {
    Ground.NO_WINDOW: Forbids(classes=NEEDS_WINDOW),
    Ground.OPENING_HOURS: Forbids(classes=frozenset({OperationClass.POS}), guide="6.2.3"),
    Ground.FORBIDDEN_HOURS: Forbids(
        classes=frozenset(
            {
                OperationClass.NETWORK_RESTART,
                OperationClass.SCHEMA_CHANGE,
                OperationClass.PAYMENT_CONFIGURATION,
            }
        ),
        guide="12.1.2",
    ),
    Ground.MONTH_END: Forbids(classes=frozenset({OperationClass.FINANCE}), guide="12.1.2"),
    Ground.CAMPAIGN: Forbids(classes=NEEDS_WINDOW, guide="12.1.2"),
    Ground.HOLIDAY: Forbids(classes=NEEDS_WINDOW),
    Ground.BLACKOUT: Forbids(classes=NEEDS_WINDOW),
}
"""The one table: ground -> classes. Restarting what is down is an emergency that already is
one, so a campaign leaves it alone as well."""
