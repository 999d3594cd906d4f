# SPDX-License-Identifier: GPL-3.0-or-later
"""Several questions at once, and an end to waiting for their answers.

One that hangs is left behind: its thread is a daemon, reads only, and has nowhere to write.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta


def abreast[T](asks: Sequence[Callable[[], T]], within: timedelta) -> list[T | None]:
    """The answers in order; None for one that did not come in time. ``asks`` must not raise."""
    answers: list[T | None] = [None] * len(asks)

    def work(index: int) -> None:
        answers[index] = asks[index]()

    threads = [
        threading.Thread(target=work, args=(index,), name=f"gate-{index}", daemon=True)
        for index in range(len(asks))
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + within.total_seconds()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return list(answers)
