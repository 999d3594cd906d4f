# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes in which something breaks, several at a time: most of a scene is waiting.

A lane is one host of the lab, or two, where one scene is played after the other, under names and
stores of its own; so nothing that one scene leaves in the ledger is in another's way. A calm scene
shares one controller with the others; one that kills its controller has its own.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.serve_site import Service
from tests.faults.fault_site import Chain, Place, chain_of, lay_out
from tests.faults.fault_trial import with_doors, with_short_reboots
from tests.lab.fleet import Lab, LabHost

_SAID = logging.getLogger(__name__)  # `pytest --log-file=FILE --log-file-level=INFO` shows it

_PAIRS = 3
"""Lanes of two hosts; the other hosts are lanes of their own."""

_REBOOT = 20
"""Seconds that a reboot may take here: longer than a container needs, and no test waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a scene is given: the chain, and its own devices there."""

    chain: Chain
    places: tuple[Place, ...]
    folder: Path

    @property
    def place(self) -> Place:
        """The only device of a scene that has one."""
        (place,) = self.places
        return place


Act = Callable[[Given], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """``hosts`` 1 or 2; ``pair`` puts both into one store and one failure group; ``own`` gives it
    a controller of its own; ``spoils`` says that its hosts are thrown away afterwards, for tidying
    is not enough; ``full`` leaves it to `make test-full`; ``lasts`` is a guess, for a fair share of
    scenes per lane."""

    act: Act
    hosts: int
    pair: bool
    own: bool
    spoils: bool
    full: bool
    lasts: int


class Stage:
    """The scenes of one test file."""

    def __init__(self) -> None:
        self._scenes: dict[str, Scene] = {}

    def scene(
        self,
        *,
        hosts: int = 1,
        pair: bool = False,
        own: bool = False,
        spoils: bool = False,
        full: bool = False,
        lasts: int = 40,
    ) -> Callable[[Act], Act]:
        """A scene; see `Scene`."""

        def noted(act: Act) -> Act:
            self._scenes[act.__name__] = Scene(
                act=act, hosts=hosts, pair=pair, own=own, spoils=spoils, full=full, lasts=lasts
            )
            return act

        return noted

    @property
    def names(self) -> list[str]:
        """In the order of the file."""
        return list(self._scenes)

    def parameters(self) -> list[object]:
        """For the one test that reports them by name."""
        return [
            pytest.param(name, marks=[pytest.mark.full] if scene.full else [])
            for name, scene in self._scenes.items()
        ]

    def play(self, lab: Lab, names: Iterable[str], folder: Path) -> Mapping[str, Future[None]]:
        """How each scene ended, by name. Hosts are left as they are: see `fault_lab`."""
        lanes = _lanes(lab)
        plan = self._shared_out(sorted(names, key=list(self._scenes).index), lanes)
        places = {
            name: self._places(name, lanes[lane])
            for lane, chosen in enumerate(plan)
            for name in chosen
        }
        calm = [place for name in places if not self._scenes[name].own for place in places[name]]
        service = _laid_out(folder / "calm", calm) if calm else None
        if service is not None:
            service.start()
        try:
            with ThreadPoolExecutor(len(lanes)) as pool:
                played = [
                    pool.submit(self._lane, chosen, places, folder, service) for chosen in plan
                ]
            ended = {name: future for each in played for name, future in each.result().items()}
        finally:
            if service is not None:
                service.kill()
        return ended

    def _shared_out(
        self, names: Sequence[str], lanes: Sequence[Sequence[LabHost]]
    ) -> list[list[str]]:
        """Those that need two hosts first, then the longest; each to the lane that is free first.
        What is long begins early in its lane."""
        plan: list[list[str]] = [[] for _ in lanes]
        load = [0] * len(lanes)
        for name in sorted(names, key=self._order):
            scene = self._scenes[name]
            fit = [lane for lane, hosts in enumerate(lanes) if len(hosts) >= scene.hosts]
            lane = min(fit, key=load.__getitem__)
            plan[lane].append(name)
            load[lane] += scene.lasts
        return [sorted(each, key=lambda one: -self._scenes[one].lasts) for each in plan]

    def _order(self, name: str) -> tuple[int, int]:
        scene = self._scenes[name]
        return (-scene.hosts, -scene.lasts)

    def _places(self, name: str, hosts: Sequence[LabHost]) -> tuple[Place, ...]:
        scene, number = self._scenes[name], list(self._scenes).index(name)
        groups = (f"ha-{number}",) if scene.pair else ()
        return tuple(
            Place(
                name=f"f{number:02d}{'ab'[index]}",
                host=host,
                store=f"{number:04d}{0 if scene.pair else index:02d}",
                groups=groups,
            )
            for index, host in enumerate(hosts[: scene.hosts])
        )

    def _lane(
        self,
        names: Sequence[str],
        places: Mapping[str, tuple[Place, ...]],
        folder: Path,
        calm: Service | None,
    ) -> dict[str, Future[None]]:
        ended: dict[str, Future[None]] = {}
        for name in names:
            ended[name], began = Future(), time.monotonic()
            try:
                self._one(name, places[name], folder / name, calm)
            except BaseException as error:  # noqa: BLE001 - told by the scene's own test
                _SAID.info("%s: %s", name, error, exc_info=error)
                ended[name].set_exception(error)
            else:
                _SAID.info("%s: as it must be (%.0f s)", name, time.monotonic() - began)
                ended[name].set_result(None)
        return ended

    def _one(
        self, name: str, places: tuple[Place, ...], folder: Path, calm: Service | None
    ) -> None:
        scene = self._scenes[name]
        folder.mkdir(parents=True)
        service = _laid_out(folder / "site", places) if scene.own else calm
        assert service is not None
        try:
            for place in places:
                place.set_out()
            if scene.own:
                service.start()
            with chain_of(service, places) as chain:
                scene.act(Given(chain=chain, places=places, folder=folder))
        except BaseException:
            if not os.environ.get("STOREWARDEN_FAULTS_KEEP"):
                _reset(places)
            raise
        else:
            _reset(places) if scene.spoils else _tidy(places)
        finally:
            if scene.own:
                service.kill()


stage = Stage()
"""The one stage of all scenes."""


def _reset(places: Iterable[Place]) -> None:
    for place in places:
        place.host.reset()


def _tidy(places: Iterable[Place]) -> None:
    for place in places:
        place.tidy()


def _laid_out(folder: Path, places: Sequence[Place]) -> Service:
    """A site whose payloads a test can hold."""
    service = lay_out(folder, places)
    with_doors(folder / "roles")
    with_short_reboots(folder / "roles", _REBOOT)
    return service


def _lanes(lab: Lab) -> list[list[LabHost]]:
    """Stores of the lab as pairs, and the hosts of the other stores one by one."""
    stores: dict[str, list[LabHost]] = {}
    for host in lab.hosts:
        stores.setdefault(host.store, []).append(host)
    pairs = list(stores.values())
    return pairs[:_PAIRS] + [[host] for pair in pairs[_PAIRS:] for host in pair]
