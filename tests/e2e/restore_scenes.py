# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes with restore points, several hosts at a time: most of a scene is waiting for a deadline.

A test file collects its scenes on a `Stage` and has one parametrised test that reports them by
name. Only the scenes of chosen tests are played, the first ones first, each on a host of its own.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e.restore_host import RestoreHost
from tests.lab.fleet import Lab, LabHost

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
        for host in lab.hosts:
            free.put(host)
        with ThreadPoolExecutor(len(lab.hosts)) as pool:
            played = {name: pool.submit(self._play, name, free) for name in chosen}
        with ThreadPoolExecutor(len(lab.hosts)) as pool:
            list(pool.map(LabHost.reset, lab.hosts))
        return played

    def _play(self, name: str, free: queue.SimpleQueue[LabHost]) -> None:
        scene, spoils = self._scenes[name]
        host = free.get()
        till = RestoreHost(host=host)
        try:
            till.set_out()
            scene(till)
        except BaseException:
            spoils = True
            raise
        finally:
            try:
                host.reset() if spoils else till.tidy()
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
