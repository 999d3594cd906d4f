# SPDX-License-Identifier: GPL-3.0-or-later
"""What every rollout book promises, as tests.

Inherit from ``RolloutsConformance`` in a pytest module and give two fixtures: ``clock``, a
``ManualClock`` that starts at ``START``, and ``ledger``, an empty ledger with ``rollouts``,
``changes`` and ``outbox`` that reads it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from storewarden.domain.errors import AdapterError, ConfigInvalid, LedgerConflict, Refused
from storewarden.domain.rollout.events import Approved, Report, RolloutEvent, Started, WaveBegan
from storewarden.domain.rollout.record import HostRecord, HostState, Phase, Rollout, RolloutState
from storewarden.ports.rollouts import Look, RolloutBook
from storewarden.testing.conformance_changes import note
from storewarden.testing.conformance_ledger import START, refused
from storewarden.testing.ledger import ManualClock
from storewarden.testing.rollout_scenes import (
    SPEC,
    RolloutLedger,
    begin,
    dispatch,
    ended,
    event,
    happening,
    open_change,
    open_rollout,
    planned,
)

_MINUTE = timedelta(minutes=1)


class RolloutsConformance:
    """The suite."""

    def test_numbers_count_the_rollouts_of_a_change(self, ledger: RolloutLedger) -> None:
        """Each change by itself; the same key again is the same rollout."""
        book, first, second = ledger.rollouts, open_change(ledger), open_change(ledger, "c2")
        numbers = [
            book.open_rollout(key, change, planned(change)).rollout.number
            for key, change in (("k1", first), ("k2", first), ("k3", second), ("k1", first))
        ]
        assert numbers == [f"{first}-R1", f"{first}-R2", f"{second}-R1", f"{first}-R1"]
        again = book.open_rollout("k2", first, planned(first))
        assert (again.rollout.number, again.events, again.new) == (f"{first}-R2", (), False)
        refused(ConfigInvalid, lambda: book.open_rollout("k9", "GMBG-20260301-999", planned(first)))
        assert book.open_rollout("k4", first, planned(first)).rollout.number == f"{first}-R3"

    def test_a_rollout_comes_back_as_it_was(self, ledger: RolloutLedger) -> None:
        """With its plan, its hosts in the plan's order, and its first event in the journal."""
        number = open_rollout(ledger)
        rollout = ledger.rollouts.rollout(number)
        assert rollout is not None
        assert (rollout.state, rollout.spec, rollout.membership) == (
            RolloutState.DRAFT,
            SPEC,
            "plan 计划",
        )
        assert list(rollout.hosts) == ["pos1", "pos2", "srv1"]
        assert rollout.hosts["srv1"] == HostRecord(name="srv1", store="000102", wave=2, role="pos")
        assert [wave.stores for wave in rollout.waves] == [("000101",), ("000102",)]
        (entry,) = ledger.rollouts.history(number)
        assert (entry.kind, entry.run, entry.step) == ("rollout opened", number, "k1")
        assert ledger.rollouts.rollout("GMBG-20260301-001-R9") is None

    def test_events_are_decided_once_per_key(self, ledger: RolloutLedger) -> None:
        """And told to whoever asked first; who decides nothing uses no key up."""
        book, number = ledger.rollouts, open_rollout(ledger)
        nothing = book.amend(number, "yes", lambda _rollout: ())
        assert (nothing.events, nothing.new) == ((), True)
        first = book.amend(number, "yes", happening(Approved()))
        assert first.new
        assert [each.what for each in first.events] == [Approved()]
        again = book.amend(number, "yes", _never)
        assert (again.events, again.new) == ((), False)
        assert again.rollout == first.rollout == book.rollout(number)
        two = book.amend(number, "go", happening(Started(), WaveBegan(wave=1)))
        assert [each.step for each in book.history(number)] == ["k1", "yes", "go", "go#2"]
        assert [each.kind for each in book.history(number, after=2)] == [
            "rollout approved",
            "rollout started",
            "rollout wave began",
        ]
        assert two.rollout.serial == 4
        assert ledger.verify().problems == ()

    def test_what_cannot_be_leaves_nothing_behind(self, ledger: RolloutLedger) -> None:
        """No entry and no row of a decision of which one event is wrong."""
        book, number = ledger.rollouts, open_rollout(ledger)
        before, head = book.rollout(number), ledger.head()
        for key, decide in (
            ("a", happening(Approved(), WaveBegan(wave=1))),
            ("b", lambda _rollout: (event("GMBG-20260301-001-R7", Approved()),)),
        ):
            try:
                book.amend(number, key, decide)
            except (ValueError, LedgerConflict):
                pass
            else:
                raise AssertionError("it was recorded")
        refused(ConfigInvalid, lambda: book.amend("GMBG-20260301-001-R7", "x", _never))
        for key in ("", "go#2"):
            refused(AdapterError, partial(book.amend, number, key, _never))
        kind, body = "rollout approved", {"by": "li"}
        refused(LedgerConflict, lambda: ledger.append(kind, body, run=number, step="x"))
        assert (book.rollout(number), ledger.head()) == (before, head)
        assert ledger.verify().problems == ()

    def test_a_dispatch_is_work_until_it_is_reported(self, ledger: RolloutLedger) -> None:
        """Its hosts change with it, and nobody else's."""
        book, number = ledger.rollouts, open_rollout(ledger)
        begin(ledger, number)
        book.amend(number, "d1", dispatch("d1", Phase.PREFLIGHT, "pos1", "pos2"))
        (job,) = book.jobs()
        assert (job.dispatch, job.rollout, job.epoch) == (f"{number}-d1", number, 1_700_000_000)
        assert (job.worker, job.taken, job.begun, job.ended) == ("", None, None, None)
        assert _states(book, number) == ["preflight", "preflight", "planned"]
        told = book.amend(number, "e1", ended("d1", Phase.PREFLIGHT, Report.READY, "pos1", "pos2"))
        assert told.rollout.dispatches == {}
        assert _states(book, number) == ["captured", "captured", "planned"]
        assert told.rollout.hosts["pos1"].restore_point == f"{number}-1"
        assert book.jobs() == ()
        assert [each.ended for each in book.jobs(open_only=False)] == [START]
        assert book.jobs(rollout="GMBG-20260301-001-R7", open_only=False) == ()
        assert ledger.verify().problems == ()

    def test_lists_are_newest_first(self, ledger: RolloutLedger, clock: ManualClock) -> None:
        """Without hosts, but with how many are where."""
        first = open_rollout(ledger)
        clock.advance(_MINUTE)
        second = open_rollout(ledger, {"000103": ("pos3",)}, "k2")
        begin(ledger, first)
        book = ledger.rollouts
        assert [line.number for line in book.lines()] == [second, first]
        assert [line.number for line in book.lines(limit=1)] == [second]
        (line,) = book.lines(states=[RolloutState.RUNNING, RolloutState.PAUSED])
        assert (line.number, line.change, line.payload) == (first, first[:-3], "config")
        assert (line.wave, line.waves, line.counts) == (1, 2, {"planned": 3})
        assert (line.opened, line.updated, line.held) == (START, START, "")
        assert [line.number for line in book.lines(change=second[:-3])] == [second]
        assert book.lines(states=[RolloutState.COMPLETED]) == ()

    def test_what_is_due_comes_in_order(self, ledger: RolloutLedger, clock: ManualClock) -> None:
        """A new rollout at once; later ones when their time has come; ended ones never."""
        book = ledger.rollouts
        numbers = [open_rollout(ledger, key=f"k{n}") for n in range(4)]
        assert set(book.due(START)) == set(numbers)
        times = (START + 3 * _MINUTE, START + _MINUTE, START + 2 * _MINUTE, None)
        looks = {look.number: look for look in book.looks(START)}
        for number, at in zip(numbers, times, strict=True):
            book.look_again(number, at, seen=looks[number].count)
        assert book.due(START) == ()
        assert book.next_due() == START + _MINUTE
        assert book.due(START + 2 * _MINUTE) == (numbers[1], numbers[2])
        assert book.due(START + 9 * _MINUTE, limit=2) == (numbers[1], numbers[2])
        book.look_again(numbers[3], START)
        assert book.due(START) == (numbers[3],)
        assert len(list(ledger.journal())) == 8  # four changes, four rollouts, and no look
        clock.advance(_MINUTE)

    def test_a_wish_during_a_look_is_not_lost(self, ledger: RolloutLedger) -> None:
        """Who looked sets the next time; what somebody set meanwhile is as good, if earlier."""
        book, number, hour = ledger.rollouts, open_rollout(ledger), timedelta(hours=1)
        (look,) = book.looks(START)
        book.look_again(number, START)  # as a shard does that ended meanwhile
        book.look_again(number, START + hour, seen=look.count)
        (again,) = book.looks(START)
        assert again.key != look.key
        book.look_again(number, START + hour, seen=again.count)
        assert (book.looks(START), book.next_due()) == ((), START + hour)
        book.look_again(number, START + 2 * hour)
        assert book.next_due() == START + hour
        book.amend(number, "yes", happening(Approved()), look_at=START + _MINUTE)
        assert book.next_due() == START + _MINUTE
        (last,) = book.looks(START + hour)
        book.look_again(number, None, seen=last.count)
        assert book.next_due() is None
        book.look_again(number, None)
        book.look_again(number, START + hour)
        assert book.next_due() == START + hour
        assert _keys(look, again, last) == 3

    def test_who_holds_which_host(self, ledger: RolloutLedger) -> None:
        """A rollout that has not ended holds all its hosts, also those whose turn is to come."""
        book, first = ledger.rollouts, open_rollout(ledger)
        assert book.host_states(["pos1", "srv1", "elsewhere"]) == {
            "pos1": (first, "planned"),
            "srv1": (first, "planned"),
        }
        assert book.host_states([]) == {}
        begin(ledger, first)
        book.amend(first, "d1", dispatch("d1", Phase.PREFLIGHT, "pos1"))
        second = open_rollout(ledger, {"000109": ("pos9",)}, "k2")
        assert book.host_states(["pos1", "pos9"]) == {
            "pos1": (first, "preflight"),
            "pos9": (second, "planned"),
        }
        assert book.owing() == {}

    def test_one_worker_takes_a_dispatch(self, ledger: RolloutLedger) -> None:
        """Whoever comes first, and again as often as he likes, until it has ended."""
        book, job = ledger.rollouts, _dispatched(ledger)
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(lambda n: book.take_job(job, f"w{n}", START), range(8)))
        (mine,) = [each for each in taken if each is not None]
        assert mine.taken == START
        assert book.take_job(job, mine.worker, START + _MINUTE) == mine
        assert book.take_job(job, "other", START) is None
        assert [each.dispatch for each in book.jobs(worker=mine.worker)] == [job]
        assert book.jobs(worker="other") == ()
        book.job_begun(job, mine.worker, START + _MINUTE)
        book.job_begun(job, mine.worker, START + 2 * _MINUTE)
        (begun,) = book.jobs()
        assert begun.begun == START + _MINUTE
        refused(Refused, lambda: book.job_begun(job, "other", START))
        number = mine.rollout
        book.amend(number, "e1", ended("d1", Phase.PREFLIGHT, Report.READY, "pos1", "pos2"))
        assert book.take_job(job, mine.worker, START) is None
        assert book.take_job("nothing-d1", mine.worker, START) is None
        refused(Refused, lambda: book.job_begun(job, mine.worker, START))

    def test_a_silent_worker_loses_what_it_has_not_begun(self, ledger: RolloutLedger) -> None:
        """After a minute; what it had begun nobody may begin again."""
        book, job = ledger.rollouts, _dispatched(ledger)
        book.beat("w1", START)
        book.take_job(job, "w1", START)
        refused(Refused, lambda: book.free_job(job, "w1", START + _MINUTE))
        late = START + _MINUTE + timedelta(seconds=1)
        refused(Refused, lambda: book.free_job(job, "w2", late))
        assert book.free_job(job, "w1", late)
        assert book.take_job(job, "w2", late) is not None
        refused(Refused, lambda: book.job_begun(job, "w1", late))
        book.beat("w2", late)
        book.job_begun(job, "w2", late)
        later = late + 2 * _MINUTE
        assert not book.free_job(job, "w2", later)
        assert book.take_job(job, "w1", later) is None
        refused(Refused, lambda: book.free_job("nothing-d1", "w2", later))
        number = job.removesuffix("-d1")
        book.amend(number, "e1", ended("d1", Phase.PREFLIGHT, Report.READY, "pos1", "pos2"))
        assert book.free_job(job, "w2", later)

    def test_workers_are_known_by_their_heartbeats(
        self, ledger: RolloutLedger, clock: ManualClock
    ) -> None:
        """With what they have to do; for a day."""
        book, job = ledger.rollouts, _dispatched(ledger)
        book.beat("w2", START)
        book.beat("w1", START)
        book.beat("w1", START + _MINUTE)
        book.take_job(job, "w1", START)
        told = [(each.name, each.started, each.seen, each.jobs) for each in book.workers()]
        assert told == [("w1", START, START + _MINUTE, 1), ("w2", START, START, 0)]
        clock.advance(timedelta(days=1) + timedelta(seconds=30))
        assert [each.name for each in book.workers()] == ["w1"]
        assert ledger.verify().problems == ()

    def test_the_ticket_of_the_change_is_told(self, ledger: RolloutLedger) -> None:
        """What people have to know, between the change's own entries, in order; no shards."""
        box = ledger.outbox
        box.subscribe("ticket:itsm")
        number = open_rollout(ledger)
        change = number[:-3]
        begin(ledger, number)
        ledger.rollouts.amend(number, "d1", dispatch("d1", Phase.PREFLIGHT, "pos1"))
        ledger.changes.amend(change, "n1", note("真的"))
        (delivery,) = box.due("ticket:itsm", START)
        told = box.entries(delivery)
        assert [each.kind for each in told] == [
            "change opened",
            "rollout opened",
            "rollout approved",
            "rollout started",
            "rollout wave began",
            "change noted",
        ]
        assert delivery.latest == told[-1].sequence
        assert ledger.verify().problems == ()
        delivery = box.arrived(delivery, told[3].sequence)
        assert [each.kind for each in box.entries(delivery)] == [
            "rollout wave began",
            "change noted",
        ]
        box.arrived(delivery, told[-1].sequence)
        assert box.due("ticket:itsm", START) == ()
        ledger.rollouts.amend(number, "e1", ended("d1", Phase.PREFLIGHT, Report.READY, "pos1"))
        assert box.due("ticket:itsm", START) == ()
        assert ledger.verify().problems == ()

    def test_a_channel_that_begins_later_is_told_everything(self, ledger: RolloutLedger) -> None:
        """Of changes that are open."""
        number = open_rollout(ledger)
        begin(ledger, number)
        box = ledger.outbox
        box.subscribe("ticket:itsm")
        (delivery,) = box.due("ticket:itsm", START)
        assert len(box.entries(delivery)) == 5
        assert delivery.latest == box.entries(delivery)[-1].sequence
        assert ledger.verify().problems == ()

    def test_threads_amend_one_after_the_other(self, ledger: RolloutLedger) -> None:
        """Each decides about what the one before left."""
        book, number = ledger.rollouts, open_rollout(ledger)
        begin(ledger, number)

        def work(count: int) -> int:
            def decide(rollout: Rollout) -> tuple[RolloutEvent, ...]:
                host = next(h for h in rollout.hosts.values() if h.state is HostState.PLANNED)
                name = f"d{rollout.dispatched + 1}"
                return tuple(dispatch(name, Phase.PREFLIGHT, host.name)(rollout))

            return book.amend(number, f"key {count}", decide).rollout.dispatched

        with ThreadPoolExecutor(3) as pool:
            assert sorted(pool.map(work, range(3))) == [1, 2, 3]
        assert [job.dispatch for job in book.jobs()] == [f"{number}-d{n}" for n in (1, 2, 3)]
        assert _states(book, number) == ["preflight"] * 3
        assert ledger.verify().problems == ()


def _dispatched(ledger: RolloutLedger) -> str:
    """A dispatch that nobody has taken."""
    number = open_rollout(ledger)
    begin(ledger, number)
    ledger.rollouts.amend(number, "d1", dispatch("d1", Phase.PREFLIGHT, "pos1", "pos2"))
    return f"{number}-d1"


def _states(book: RolloutBook, number: str) -> list[str]:
    rollout = book.rollout(number)
    assert rollout is not None
    return [host.state.value for host in rollout.hosts.values()]


def _keys(*looks: Look) -> int:
    return len({look.key for look in looks})


def _never(_rollout: Rollout) -> tuple[RolloutEvent, ...]:
    raise AssertionError("it was asked to decide again")
