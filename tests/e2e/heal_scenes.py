# SPDX-License-Identifier: GPL-3.0-or-later
"""Stories of several repairs, one host each, told at the same time: one run of Ansible per round.

A story is a generator: it breaks its host, yields the repair that it asks for, and gets how that
ended. A story that fails does not stop the others.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.heal_plays import Healed, Healing, Repair
from tests.e2e.restore_host import RestoreHost
from tests.lab.fleet import Lab, LabHost

Story = Generator[Repair, Healed, None]
Told = Callable[[RestoreHost], Story]


def play(lab: Lab, folder: Path, told: Mapping[LabHost, Told]) -> dict[str, BaseException | None]:
    """By name of the story, what went wrong in it."""
    outcome: dict[str, BaseException | None] = {}
    going: dict[LabHost, tuple[str, Story]] = {
        host: (one.__name__, one(RestoreHost(host=host))) for host, one in told.items()
    }
    asked: dict[LabHost, Repair] = {}

    def on(host: LabHost, step: Callable[[Story], Repair]) -> None:
        name, story = going[host]
        try:
            asked[host] = step(story)
        except StopIteration:
            outcome[name] = None
        except BaseException as error:  # noqa: BLE001 - told by the story's own test
            outcome[name] = error

    for host in going:
        on(host, next)
    healing = Healing(lab, next(iter(told)), folder)
    while asked:
        healed = healing.together(asked)
        asked.clear()
        for host, one in healed.items():
            on(host, functools.partial(_sent, one))
    return outcome


def _sent(healed: Healed, story: Story) -> Repair:
    return story.send(healed)


def freed(healed: Healed) -> dict[str, int]:
    """Bytes that each step freed, by the step's name."""
    steps: list[dict[str, Any]] = healed.own["steps"]
    return {re.split(r":", str(one["en"]))[0]: int(one["freed"]) for one in steps}


@contextmanager
def mounted(till: RestoreHost, place: str, options: str) -> Iterator[None]:
    """A memory disk of its own on a host, so that nothing but it gets full."""
    till.sh(f"mkdir -p {place} && mount -t tmpfs -o {options} scene {place}")
    try:
        yield
    finally:
        till.sh(f"umount -l {place}", check=False)
