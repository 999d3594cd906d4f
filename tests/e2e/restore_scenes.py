# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes with restore points, several hosts at a time: most of a scene is waiting for a deadline.

A test file collects its scenes on a `Stage` and has one parametrised test that reports them by
name. Only the scenes of chosen tests are played, the first ones first, each on a host of its own.
"""

from __future__ import annotations

import queue
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e.restore_host import RestoreHost
from tests.lab.fleet import Lab, LabHost
from tests.second_try import wanted

Scene = Callable[[RestoreHost], None]


class Stage:
    """The scenes of one test file, in the order in which they are played."""

    def __init__(self) -> None:
        self._scenes: dict[str, tuple[Scene, bool]] = {}

    @property
    def names(self) -> list[str]:
        return list(self._scenes)

    def alone(self, scene: Scene) -> Scene:
        """A scene that leaves traces: its host is thrown away afterwards (a second or two)."""
        self._scenes[scene.__name__] = (scene, True)
        return scene

    def tidy(self, scene: Scene) -> Scene:
        """A scene that only touches what `RestoreHost.tidy` takes away."""
        self._scenes[scene.__name__] = (scene, False)
        return scene

    def play(self, lab: Lab, chosen: Iterable[str]) -> Mapping[str, Future[None]]:
        """How each scene ended, by name. All hosts are as new when this returns."""
        free: queue.SimpleQueue[LabHost] = queue.SimpleQueue()
        worn: set[LabHost] = set()
        for host in lab.hosts:
            free.put(host)
        with ThreadPoolExecutor(len(lab.hosts)) as pool:
            played = {name: pool.submit(self._play, name, free, worn) for name in chosen}
        with ThreadPoolExecutor(len(lab.hosts)) as pool:
            list(pool.map(LabHost.reset, worn))
        return played

    def _play(self, name: str, free: queue.SimpleQueue[LabHost], worn: set[LabHost]) -> None:
        """A second try is on another host, or on one that was reset; it is told as a warning."""
        try:
            self._once(name, free, worn)
        except Exception as error:
            if not wanted():
                raise
            warnings.warn(f"{name} is tried again: {error}", stacklevel=1)
            self._once(name, free, worn)

    def _once(self, name: str, free: queue.SimpleQueue[LabHost], worn: set[LabHost]) -> None:
        """``worn`` are the hosts that are not as new."""
        scene, spoils = self._scenes[name]
        host = free.get()
        till = RestoreHost(host=host)
        worn.add(host)
        try:
            till.set_out()
            scene(till)
        except BaseException:
            spoils = True
            raise
        finally:
            try:
                if spoils:
                    host.reset()
                    worn.discard(host)
                else:
                    till.tidy()
            finally:
                free.put(host)


def chosen(request: pytest.FixtureRequest) -> list[str]:
    """Names of the scenes of this file that this run is about."""
    found = [
        str(item.callspec.params["scene"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.module is request.module
        and "scene" in getattr(getattr(item, "callspec", None), "params", {})
    ]
    return sorted(found, key=request.module.stage.names.index)
