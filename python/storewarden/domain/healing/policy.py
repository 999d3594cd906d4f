# SPDX-License-Identifier: GPL-3.0-or-later
"""Every number of the guards, with its source; each of them can be set by the site.

"Guard rails" is the table of defaults that storewarden starts from; where it leaves something open,
the source says what was chosen and why.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import time, timedelta
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class HealPolicy:
    """What guards ask for. Shares are of all hosts of the estate unless it says otherwise."""

    hold_down: timedelta = field(
        default=timedelta(seconds=60), metadata={"source": 'guard rails, "Hold-down": 60 s'}
    )
    staleness: timedelta = field(
        default=timedelta(minutes=15), metadata={"source": 'guard rails, "staleness": 15 min'}
    )
    lock_wait: timedelta = field(
        default=timedelta(minutes=10), metadata={"source": 'guard rails, "Host lock": wait 10 min'}
    )
    poll: timedelta = field(
        default=timedelta(seconds=30),
        metadata={"source": 'guard rails, "Verify": poll 30 s; used for waits'},
    )
    runs: int = field(default=10, metadata={"source": 'guard rails, "Concurrency": 10 runs'})
    stores: int = field(
        default=5, metadata={"source": 'guard rails, "Concurrency": 5 stores disruptive'}
    )
    hosts_10min: int = field(
        default=10, metadata={"source": 'guard rails, "Rate": 10 hosts/10 min per action'}
    )
    hosts_hour: int = field(
        default=3, metadata={"source": 'guard rails, "Rate": max(3, 1 %) of the fleet per hour'}
    )
    share_hour: Fraction = field(
        default=Fraction(1, 100),
        metadata={"source": 'guard rails, "Rate": 1 % of the fleet per hour'},
    )
    hosts_day: int = field(
        default=3, metadata={"source": "chosen: a day allows at least what an hour allows"}
    )
    share_day: Fraction = field(
        default=Fraction(5, 100),
        metadata={"source": 'guard rails, "Rate": 5 % of the fleet per day'},
    )
    cooldown: timedelta = field(
        default=timedelta(minutes=30), metadata={"source": 'guard rails, "Cooldown": 30 min'}
    )
    per_6h: int = field(default=2, metadata={"source": 'guard rails, "Cooldown": 2 per 6 h'})
    per_24h: int = field(default=3, metadata={"source": 'guard rails, "Cooldown": 3 per 24 h'})
    storm_hosts: int = field(
        default=10, metadata={"source": 'guard rails, "Storm breaker": max(10, 2 % hosts)'}
    )
    storm_share: Fraction = field(
        default=Fraction(2, 100), metadata={"source": 'guard rails, "Storm breaker": 2 % of hosts'}
    )
    storm_span: timedelta = field(
        default=timedelta(minutes=5), metadata={"source": 'guard rails, "Storm breaker": 5 min'}
    )
    asking: timedelta = field(
        default=timedelta(minutes=30),
        metadata={"source": 'guard rails, "Storm breaker": expiry 30 min'},
    )
    fault_share: Fraction = field(
        default=Fraction(1, 2),
        metadata={"source": 'guard rails, "Store fault": 50 % of a store\'s hosts'},
    )
    fault_hosts: int = field(default=3, metadata={"source": 'guard rails, "Store fault": min 3'})
    fault_span: timedelta = field(
        default=timedelta(minutes=5), metadata={"source": 'guard rails, "Store fault": 5 min'}
    )
    failed_in_row: int = field(
        default=3, metadata={"source": 'guard rails, "Failure breaker": 3 in a row'}
    )
    failed_last: int = field(
        default=10, metadata={"source": 'guard rails, "Failure breaker": of the last 10'}
    )
    failed_share: Fraction = field(
        default=Fraction(30, 100), metadata={"source": 'guard rails, "Failure breaker": 30 %'}
    )
    failed_open: timedelta = field(
        default=timedelta(minutes=60), metadata={"source": 'guard rails, "Failure breaker": 60 min'}
    )
    busy_from: time = field(
        default=time(8),
        metadata={"source": 'guard rails, "Windows": disruptive blocked 08-22, store-local'},
    )
    busy_to: time = field(
        default=time(22),
        metadata={"source": 'guard rails, "Windows": disruptive blocked 08-22, store-local'},
    )
    grace: timedelta = field(
        default=timedelta(minutes=10), metadata={"source": 'guard rails, "Windows": 10 min grace'}
    )
    ramp: timedelta = field(
        default=timedelta(minutes=5),
        metadata={"source": 'guard rails, "Windows": then ramp; chosen: hosts spread over 5 min'},
    )
    promotion_runs: int = field(
        default=20, metadata={"source": 'guard rails, "Mode": promotion after 20 approved runs'}
    )
    promotion_share: Fraction = field(
        default=Fraction(95, 100), metadata={"source": 'guard rails, "Mode": >= 95 % verified'}
    )
    tries: int = field(default=2, metadata={"source": 'guard rails, "Crash": auto-retry once'})


def source_of(name: str) -> str:
    """Where a number comes from. KeyError for a name that no number has."""
    return next(str(each.metadata["source"]) for each in fields(HealPolicy) if each.name == name)
