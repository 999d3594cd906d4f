# SPDX-License-Identifier: GPL-3.0-or-later
"""Exit codes: one table, read by programs and by people.

A script decides on the code alone, so a code never changes its meaning, and
every leaf of ``storewarden.domain.errors`` has exactly one. The operators' page
``docs/operators/exit-codes.md`` is checked against ``MEANINGS`` by a test.

When several codes would fit one audit, ``PRECEDENCE`` decides: what makes the
report itself doubtful comes first (stopped early, not recorded), then the bar
the caller asked about, then hosts that are missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from storewarden.domain.errors import (
    AdapterError,
    ConfigInvalid,
    ContentMissing,
    GateFailed,
    LedgerConflict,
    Refused,
    RunFailed,
    StorewardenError,
    TargetUnreachable,
)


class Exit(IntEnum):
    """What the exit status of ``storewarden`` says."""

    FINE = 0  # did what was asked, and the result is good enough
    BELOW = 1  # did what was asked, and the result is below the bar that was given
    USAGE = 2  # an option, a file or a variable is wrong; nothing was started
    REFUSED = 3  # a rule forbids it; nothing was started
    INCOMPLETE = 4  # some hosts could not be reached or audited; the others are in the report
    FOREIGN = 5  # something underneath failed: a full disk, a database, Ansible itself
    CONFLICT = 6  # the ledger does not say what it should
    MISSING = 7  # a playbook, a control or a tool is not installed
    BUG = 70  # a fault of storewarden itself; the details are in the file that is named
    INTERRUPTED = 130  # Ctrl-C or TERM; what had arrived is recorded and reported
    PIPE = 141  # whoever read our output went away


MEANINGS: dict[Exit, tuple[str, str]] = {
    Exit.FINE: ("fine", "nothing"),
    Exit.BELOW: (
        "below the bar: the score is under `--fail-under` (95 unless set otherwise),"
        " `ledger verify` or `doctor` found a problem, `change debts`, `drift list` or"
        " `incident list` something overdue, `change report` a success rate of core systems below"
        " 95 %, `compliance` fewer than 95 % of the devices compliant, `waiver check` a waiver that"
        " needs somebody,"
        " `notify list` a channel whose settings cannot be used, `harden` left a host other than"
        " it should be, `chaos run` saw a host that healing did not repair, `rollout plan` found"
        " what stands in the way or a deadline that is missed,"
        " `drill` a rehearsal that failed or was not made, `backup prove-321` a term that does not"
        " hold,"
        " or the rollout that `rollout status` or `watch` shows was rolled back, cancelled or"
        " superseded",
        "read the report",
    ),
    Exit.USAGE: ("usage or configuration: nothing was started", "correct what the line names"),
    Exit.REFUSED: (
        "refused by a rule: an approval, a role, a window or a token is missing or not enough,"
        " or the inventory lost too many hosts since it was last seen",
        "the line says why and what to do; `--accept-shrunk` for a fleet that became smaller",
    ),
    Exit.INCOMPLETE: (
        "some hosts were not reached or not audited, nobody knows yet what became of their fix,"
        " no wave takes them, or a rollout ended with stragglers or debts; all others are in the"
        " report",
        "the report says why per host; run again with `--limit`",
    ),
    Exit.FOREIGN: (
        "something underneath failed: a full disk, a database, Ansible itself; or a verb needs"
        " the service and none runs",
        "correct it (`storewarden serve`) and run again; results that arrived are collected then",
    ),
    Exit.CONFLICT: (
        "the ledger is altered, cut off, locked or of another version",
        "`storewarden ledger verify`",
    ),
    Exit.MISSING: ("a playbook, a control or a tool is not installed", "`storewarden doctor`"),
    Exit.BUG: (
        "a fault of storewarden itself",
        "send the file that the line names to the developers",
    ),
    Exit.INTERRUPTED: (
        "interrupted (Ctrl-C or TERM); what had arrived is recorded and reported",
        "run again",
    ),
    Exit.PIPE: ("the reader of the output went away (`| head`)", "nothing"),
}

PRECEDENCE: tuple[Exit, ...] = (
    Exit.BUG,
    Exit.INTERRUPTED,
    Exit.CONFLICT,
    Exit.FOREIGN,
    Exit.MISSING,
    Exit.REFUSED,
    Exit.USAGE,
    Exit.BELOW,
    Exit.INCOMPLETE,
    Exit.PIPE,
    Exit.FINE,
)

_LEAVES: dict[type[StorewardenError], Exit] = {
    ConfigInvalid: Exit.USAGE,
    Refused: Exit.REFUSED,
    TargetUnreachable: Exit.INCOMPLETE,
    RunFailed: Exit.FOREIGN,
    GateFailed: Exit.BELOW,
    AdapterError: Exit.FOREIGN,
    LedgerConflict: Exit.CONFLICT,
    ContentMissing: Exit.MISSING,
}


def exit_of(error: StorewardenError) -> Exit:
    """The code of an error, by the nearest leaf it descends from."""
    for kind in type(error).__mro__:
        if kind in _LEAVES:
            return _LEAVES[kind]
    return Exit.BUG


def first_of(codes: Iterable[Exit]) -> Exit:
    """The one code of an outcome to which several would fit; FINE when there is none."""
    return min(codes, key=PRECEDENCE.index, default=Exit.FINE)
