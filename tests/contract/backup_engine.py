# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup program's engine inside the process of the tests."""

from __future__ import annotations

import signal
from pathlib import Path

from ansible_collections.storewarden.ops.plugins.module_utils.backup.engine import (
    Root,
    carried_out,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import Order
from ansible_collections.storewarden.ops.plugins.module_utils.backup.report import Report

_TAKEN = (signal.SIGHUP, signal.SIGTERM, signal.SIGALRM)


def done(order: Order, root: Path) -> Report:
    """A job from the lock to the report.

    The program ends deaf to TERM, as nothing may come between its job and its report; a process
    that goes on would hand that to every program that later tests start.
    """
    before = {number: signal.getsignal(number) for number in _TAKEN}
    try:
        return carried_out(order, Root(str(root)))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
