# SPDX-License-Identifier: GPL-3.0-or-later
"""What every engine promises about jobs, as tests.

Inherit from ``JobsConformance`` in a pytest module and give two fixtures: ``bench``, a
``JobsBench``, which makes engines over one store of jobs and knows how to wait for one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Protocol

from storewarden.domain.errors import AdapterError, ConfigInvalid, Refused
from storewarden.ports.engine import Engine
from storewarden.testing.conformance_ledger import refused


class JobsBench(Protocol):
    """What differs between engines."""

    def made(self) -> Engine:
        """An engine over the bench's store; the one before has been stopped."""
        ...

    def until(self, condition: Callable[[], bool]) -> bool:
        """Let time pass until ``condition`` holds; False when it does not come to that."""
        ...

    def now(self) -> datetime:
        """The time of the engine's clock."""
        ...


@dataclass(kw_only=True)
class Doing:
    """A work that notes what it did, and when told so raises the first few times."""

    kind: str = "shard"
    at_once: int = 4
    fails: int = 0
    act: Callable[[str], None] = lambda _key: None
    done: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)
    _mutex: Lock = field(default_factory=Lock)

    def do(self, key: str, body: Mapping[str, object]) -> None:
        """Note it."""
        with self._mutex:
            self.tries.append(key)
            failing = len(self.tries) <= self.fails
        if failing:
            raise AdapterError("the host is busy", where=key)
        self.act(key)
        with self._mutex:
            self.done.append((key, body))

    @property
    def keys(self) -> list[str]:
        """The keys of all that was done, in order."""
        return [key for key, _body in self.done]


_PATIENCE = timedelta(seconds=5)
_NO_JOBS = (("", "d1"), ("Shard", "d1"), ("a/b", "d1"), ("shard", ""), ("shard", "a/b"))


class JobsConformance:
    """The suite."""

    def test_a_job_is_done_with_its_body(self, bench: JobsBench) -> None:
        """As JSON data: what was a tuple is a list."""
        work, engine = Doing(), bench.made()
        engine.start([], [work])
        engine.submit("shard", "R1-d1", {"hosts": ("pos1", "收银2"), "n": 3})
        assert bench.until(lambda: bool(work.done))
        assert work.done == [("R1-d1", {"hosts": ["pos1", "收银2"], "n": 3})]
        assert bench.until(lambda: engine.status()["jobs:shard"]["running"] is False)
        told = engine.status()["jobs:shard"]
        assert (told["failures"], told["last_error"], told["given_up"]) == (0, "", [])
        assert told["last_tick"] is not None
        engine.stop(_PATIENCE)

    def test_the_same_key_again_is_the_same_job(self, bench: JobsBench) -> None:
        """While it waits and after it was done; another kind is another job."""
        work, other, engine = Doing(), Doing(kind="rollout"), bench.made()
        engine.start([], [work, other])
        for n in range(3):
            engine.submit("shard", "d1", {"n": n})
        engine.submit("rollout", "d1", {})
        assert bench.until(lambda: bool(work.done and other.done))
        engine.submit("shard", "d1", {"n": 7})
        engine.submit("shard", "d2", {})
        assert bench.until(lambda: "d2" in work.keys)
        assert work.done == [("d1", {"n": 0}), ("d2", {})]
        engine.stop(_PATIENCE)

    def test_a_job_waits_for_its_time(self, bench: JobsBench) -> None:
        """And one that is due overtakes it, where the machine is quick enough to be there first:
        so it is tried with more and more time."""
        work, engine = Doing(), bench.made()
        engine.start([], [work])
        seen: dict[str, datetime] = {}

        def note(key: str) -> None:
            seen[key] = bench.now()

        work.act = note
        for seconds in (2, 8, 32, 128):
            later, at_once = f"later-{seconds}", f"now-{seconds}"
            at = bench.now() + timedelta(seconds=seconds)
            engine.submit("shard", later, {}, at=at)
            engine.submit("shard", at_once, {})
            assert bench.until(lambda names={later, at_once}: names <= set(work.keys))  # type: ignore[misc]
            assert seen[later] >= at
            if seen[at_once] < at:
                break
        assert seen[at_once] < at
        engine.stop(_PATIENCE)

    def test_a_job_that_raises_is_tried_again_and_seen(self, bench: JobsBench) -> None:
        """After a while, on its own; others go on. What it said is in the status meanwhile."""
        work, engine = Doing(fails=100), bench.made()
        engine.start([], [work])
        engine.submit("shard", "bad", {"n": 1})
        assert bench.until(lambda: _failing(engine) == (1, "bad: the host is busy"))
        work.fails = 0
        engine.submit("shard", "good", {})
        assert bench.until(lambda: len(work.done) == 2)
        assert len(work.tries) > 2
        assert ("bad", {"n": 1}) in work.done
        assert bench.until(lambda: engine.status()["jobs:shard"]["failures"] == 0)
        engine.stop(_PATIENCE)

    def test_what_was_not_done_is_done_by_the_next_engine(self, bench: JobsBench) -> None:
        """Also a job of a kind that the first one did not serve, and one that waits."""
        first = bench.made()
        first.start([])
        first.submit("shard", "d1", {"n": 1})
        first.submit("shard", "d2", {"n": 2}, at=bench.now() + timedelta(seconds=1))
        first.stop(_PATIENCE)
        work, second = Doing(), bench.made()
        second.start([], [work])
        assert bench.until(lambda: len(work.done) == 2)
        assert sorted(work.keys) == ["d1", "d2"]
        assert ("d2", {"n": 2}) in work.done
        second.stop(_PATIENCE)

    def test_words_that_name_no_job_are_refused(self, bench: JobsBench) -> None:
        """Before anything is stored; and nothing is taken before the start."""
        engine = bench.made()
        refused(Refused, lambda: engine.submit("shard", "d1", {}))
        engine.start([], [Doing()])
        for kind, key in _NO_JOBS:
            refused(ConfigInvalid, partial(engine.submit, kind, key, {}))
        refused(AdapterError, lambda: engine.submit("shard", "d1", {"x": object()}))
        engine.stop(_PATIENCE)
        refused(ConfigInvalid, lambda: bench.made().start([], [Doing(), Doing()]))


def _failing(engine: Engine) -> tuple[object, object]:
    told = engine.status()["jobs:shard"]
    return told["failures"], told["last_error"]
