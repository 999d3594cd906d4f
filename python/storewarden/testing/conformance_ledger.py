# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ledger promises, as tests.

Inherit from ``LedgerConformance`` in a pytest module and give two fixtures:
``clock``, a ``ManualClock``, and ``ledger``, an empty ledger that reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from storewarden.domain.baseline.drift import Drift
from storewarden.domain.baseline.finding import AuditState, Finding, HostAudit, Verdict
from storewarden.domain.errors import (
    AdapterError,
    ConfigInvalid,
    LedgerConflict,
    StorewardenError,
)
from storewarden.ports.ledger import Anchor, Ledger
from storewarden.testing.ledger import ManualClock

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
_DAY = timedelta(days=1)


def audited(host: str, **verdicts: Verdict | tuple[Verdict, object]) -> HostAudit:
    """A host with one finding per keyword: a verdict, or a verdict and the observed value."""
    findings = []
    for control, told in verdicts.items():
        verdict, value = told if isinstance(told, tuple) else (told, None)
        findings.append(Finding(control=control, verdict=verdict, value=value))
    return HostAudit(host=host, state=AuditState.AUDITED, findings=tuple(findings))


def refused(kind: type[StorewardenError], call: Callable[[], object]) -> str:
    """The one line with which ``call`` fails; an assertion when it does not."""
    try:
        call()
    except kind as refusal:
        line = str(refusal)
        assert line
        assert "\n" not in line
        return line
    raise AssertionError(f"expected {kind.__name__}")


class LedgerConformance:
    """The suite."""

    def test_appends_are_numbered_dated_and_chained(
        self, ledger: Ledger, clock: ManualClock
    ) -> None:
        """Numbers from 1 without gaps, the clock's time, different hashes."""
        first = ledger.append("note", {"text": "一"}, run="r", step="1")
        later = clock.advance(_DAY)
        second = ledger.append("note", {"n": 2}, run="r", step="2")
        assert (first.sequence, second.sequence) == (1, 2)
        assert (first.at, second.at) == (START, later)
        assert first.body == {"text": "一"}
        assert len({first.hash, second.hash}) == 2
        assert list(ledger.journal()) == [first, second]
        assert list(ledger.journal(after=1)) == [second]
        assert list(ledger.journal(after=2)) == []

    def test_long_journals_come_whole_and_in_order(self, ledger: Ledger) -> None:
        """More entries than any page."""
        for n in range(520):
            ledger.append("note", {"n": n}, run="r", step=str(n))
        assert [entry.body["n"] for entry in ledger.journal()] == list(range(520))
        verified = ledger.verify()
        assert (verified.entries, verified.problems) == (520, ())

    def test_a_step_is_written_once(self, ledger: Ledger, clock: ManualClock) -> None:
        """The same again is the first entry; other content for the step is a conflict."""
        first = ledger.append("note", {"a": [1, None, True]}, run="r", step="s")
        clock.advance(_DAY)
        assert ledger.append("note", {"a": (1, None, True)}, run="r", step="s") == first
        refused(LedgerConflict, lambda: ledger.append("note", {"a": 2}, run="r", step="s"))
        refused(LedgerConflict, lambda: ledger.append("else", {"a": 2}, run="r", step="s"))
        other = ledger.append("note", {"a": [1, None, True]}, run="r2", step="s")
        assert other.sequence == 2

    def test_a_step_is_found_again(self, ledger: Ledger) -> None:
        """By its run and name; None when it was never written."""
        first = ledger.append("note", {"a": 1}, run="r", step="s")
        ledger.append("note", {"a": 2}, run="r", step="t")
        assert ledger.entry("r", "s") == first
        assert ledger.entry("r", "u") is None
        assert ledger.entry("s", "r") is None

    def test_anchors_are_noted_once_per_place(self, ledger: Ledger, clock: ManualClock) -> None:
        """The head is what is anchored; the note of it is an entry like any other."""
        assert ledger.head().sequence == 0
        first = ledger.append("note", {"a": 1}, run="r", step="s")
        head = ledger.head()
        assert (head.sequence, head.hash) == (first.sequence, first.hash)
        anchor = Anchor(sequence=1, hash=head.hash, at=START, where="file")
        noted = ledger.anchored(anchor)
        assert (noted.kind, noted.sequence) == ("anchor written", 2)
        clock.advance(_DAY)
        later = replace(anchor, at=clock.now())
        assert ledger.anchored(later) == noted
        elsewhere = replace(later, where="ticket:itsm 17")
        ledger.anchored(elsewhere)
        assert ledger.anchors() == (anchor, elsewhere)
        refused(LedgerConflict, lambda: ledger.anchored(replace(anchor, hash="0" * 64)))
        assert ledger.verify().problems == ()

    def test_bodies_are_json(self, ledger: Ledger) -> None:
        """Anything else is refused with its place, and nothing is written."""
        bad: tuple[object, ...] = (
            float("nan"),
            float("inf"),
            datetime(2026, 1, 1),  # noqa: DTZ001 - the point
            b"bytes",
            {1: "a number as key"},
            {"sets"},
            START.date(),
        )
        for value in bad:
            line = refused(
                AdapterError,
                lambda v=value: ledger.append("n", {"x": [v]}, run="r", step="s"),  # type: ignore[misc]
            )
            assert "body.x[0]" in line
        assert ledger.verify().entries == 0

    def test_times_are_kept_in_utc(self, ledger: Ledger) -> None:
        """A zone is converted, not dropped."""
        east = datetime(2026, 3, 1, 16, 0, tzinfo=timezone(timedelta(hours=8)))
        entry = ledger.append("note", {"when": east}, run="r", step="s")
        assert datetime.fromisoformat(str(entry.body["when"])) == START
        naive = datetime(2026, 3, 1)  # noqa: DTZ001 - the point
        refused(AdapterError, lambda: ledger.begin_audit("a", naive, ["h"], ["A01"], "c"))

    def test_empty_names_are_refused(self, ledger: Ledger) -> None:
        """An entry without kind, run or step could not be found again."""
        refused(AdapterError, lambda: ledger.append("", {}, run="r", step="s"))
        refused(AdapterError, lambda: ledger.append("k", {}, run="", step="s"))
        refused(AdapterError, lambda: ledger.append("k", {}, run="r", step=""))

    def test_an_audit_comes_back_as_it_was(self, ledger: Ledger) -> None:
        """Every registered host in the order given, audited or not, with its findings."""
        finding = Finding(
            control="A01",
            verdict=Verdict.NOT_APPLICABLE,
            value={"深": [1, 2.5, None]},
            reason={"en": "no such thing", "zh": "没有"},
            milliseconds=1.25,
        )
        good = HostAudit(
            host="web2",
            state=AuditState.AUDITED,
            findings=(finding,),
            store="000001",
            region="east",
            role="pos",
            item="POS-1",
            bundle="b" * 64,
        )
        lost = HostAudit(host="web1", state=AuditState.UNREACHABLE, message="no route\nto host")
        ledger.begin_audit("a1", START, ["web1", "web2", "web3"], ["A01"], "c1", scope="lab")
        ledger.record_host("a1", good, START)
        ledger.record_host("a1", lost, START)
        assert ledger.audit() is None
        ledger.end_audit("a1", START, "interrupted")
        audit = ledger.audit()
        assert audit is not None
        assert audit == ledger.audit("a1")
        assert (audit.id, audit.at, audit.controls, audit.content) == ("a1", START, ("A01",), "c1")
        assert audit.hosts[:2] == (lost, good)
        assert (audit.hosts[2].host, audit.hosts[2].state) == ("web3", AuditState.UNKNOWN)
        assert ledger.audit("no such audit") is None

    def test_the_first_look_is_the_baseline(self, ledger: Ledger) -> None:
        """No drift on first sight of a host or of a control."""
        assert _run(ledger, "a1", audited("h", A01=Verdict.PASS)) == []
        second = audited("h", A01=Verdict.PASS, A02=Verdict.FAIL)
        assert _run(ledger, "a2", second) == []
        assert ledger.drift(since="last") == ()

    def test_transitions_are_told_once(self, ledger: Ledger) -> None:
        """From and to, by verdict and by value, with the time of the look before."""
        _run(ledger, "a1", audited("h", A01=(Verdict.PASS, 8), A02=(Verdict.PASS, "x")))
        _run(ledger, "a2", audited("h", A02=(Verdict.PASS, "x")), START + _DAY)
        changed = audited("h", A01=(Verdict.FAIL, 6), A02=(Verdict.PASS, "y"))
        drifts = _run(ledger, "a3", changed, START + 2 * _DAY)
        assert [(d.control, d.verdict_to, d.value_from, d.value_to) for d in drifts] == [
            ("A01", Verdict.FAIL, 8, 6),
            ("A02", Verdict.PASS, "x", "y"),
        ]
        assert [d.seen for d in drifts] == [START, START + _DAY]
        assert [d.at for d in drifts] == [START + 2 * _DAY] * 2
        assert [d.worse for d in drifts] == [True, False]
        assert all(d.change == "" for d in drifts)
        assert ledger.drift(since="last") == tuple(drifts)
        assert _run(ledger, "a4", changed, START + 3 * _DAY) == []
        assert ledger.drift(since="last") == ()
        assert ledger.drift(since="a1") == tuple(drifts)
        assert ledger.drift(since="a3") == ()
        assert ledger.drift(since="a1", until="a2") == ()
        assert ledger.drift(since="a1", until="a3") == tuple(drifts)
        assert ledger.drift(since="2026-03-01", until="a2") == ()
        refused(ConfigInvalid, lambda: ledger.drift(since="a1", until="no such audit"))

    def test_audits_without_an_end_are_found(self, ledger: Ledger) -> None:
        """Under way or killed, oldest first; one that has ended is none of them."""
        assert ledger.unfinished() == ()
        for name in ("a2", "a1", "a3"):
            ledger.begin_audit(name, START, ["h"], ["A01"], "c")
        ledger.end_audit("a1", START, "interrupted")
        assert ledger.unfinished() == ("a2", "a3")
        ledger.end_audit("a2", START, "completed")
        ledger.end_audit("a3", START, "completed")
        assert ledger.unfinished() == ()

    def test_a_host_that_is_away_is_no_drift(self, ledger: Ledger) -> None:
        """What was known stays known until the host answers again."""
        _run(ledger, "a1", audited("h", A01=(Verdict.PASS, 8)))
        away = HostAudit(host="h", state=AuditState.UNREACHABLE, message="timed out")
        assert _run(ledger, "a2", away) == []
        assert _run(ledger, "a3", audited("h", A01=(Verdict.PASS, 8))) == []
        (drift,) = _run(ledger, "a4", audited("h", A01=(Verdict.FAIL, 6)))
        assert drift.value_from == 8

    def test_an_error_is_told_once_and_its_words_are_no_drift(self, ledger: Ledger) -> None:
        """Losing sight and seeing again, whatever the errors said in between."""
        _run(ledger, "a1", audited("h", A01=(Verdict.PASS, 8)))
        assert len(_run(ledger, "a2", audited("h", A01=(Verdict.ERROR, "timeout")))) == 1
        assert _run(ledger, "a3", audited("h", A01=(Verdict.ERROR, "permission"))) == []
        (back,) = _run(ledger, "a4", audited("h", A01=(Verdict.PASS, 8)))
        assert (back.verdict_from, back.verdict_to) == (Verdict.ERROR, Verdict.PASS)
        assert back.blind

    def test_recording_twice_changes_nothing(self, ledger: Ledger) -> None:
        """The same result gives the same transitions; another result is refused."""
        _run(ledger, "a1", audited("h", A01=Verdict.PASS))
        ledger.begin_audit("a2", START, ["h"], ["A01"], "c")
        ledger.begin_audit("a2", START, ["h"], ["A01"], "c")
        failed = audited("h", A01=(Verdict.FAIL, (1, 2)))
        first = ledger.record_host("a2", failed, START)
        entries = ledger.verify().entries
        assert ledger.record_host("a2", failed, START + _DAY) == first
        assert len(first) == 1
        passed = audited("h", A01=Verdict.PASS)
        refused(LedgerConflict, lambda: ledger.record_host("a2", passed, START))
        assert ledger.verify().entries == entries
        ledger.end_audit("a2", START, "completed")
        ledger.end_audit("a2", START, "completed")
        refused(LedgerConflict, lambda: ledger.end_audit("a2", START, "interrupted"))
        assert ledger.record_host("a2", failed, START) == first
        assert ledger.drift(since="a1") == first

    def test_results_belong_to_an_open_audit(self, ledger: Ledger) -> None:
        """Not before it, not after it, not of a host it does not know."""
        host = audited("h", A01=Verdict.PASS)
        refused(LedgerConflict, lambda: ledger.record_host("a1", host, START))
        ledger.begin_audit("a1", START, ["h", "late"], ["A01"], "c")
        stranger = audited("stranger", A01=Verdict.PASS)
        refused(LedgerConflict, lambda: ledger.record_host("a1", stranger, START))
        refused(LedgerConflict, lambda: ledger.end_audit("a1", START, "fine"))
        refused(LedgerConflict, lambda: ledger.end_audit("a0", START, "completed"))
        ledger.end_audit("a1", START, "completed")
        late = audited("late", A01=Verdict.PASS)
        refused(LedgerConflict, lambda: ledger.record_host("a1", late, START))
        refused(LedgerConflict, lambda: ledger.begin_audit("a1", START, ["x"], ["A01"], "c"))

    def test_a_result_that_is_no_json_harms_no_other(self, ledger: Ledger) -> None:
        """One host's nonsense is refused, naming the host; the others are kept."""
        ledger.begin_audit("a1", START, ["h1", "h2"], ["A01"], "c")
        ledger.record_host("a1", audited("h1", A01=Verdict.PASS), START)
        broken = audited("h2", A01=(Verdict.PASS, float("nan")))
        refused(AdapterError, lambda: ledger.record_host("a1", broken, START))
        twice = HostAudit(
            host="h2",
            state=AuditState.AUDITED,
            findings=(Finding(control="A01", verdict=Verdict.PASS),) * 2,
        )
        refused(AdapterError, lambda: ledger.record_host("a1", twice, START))
        ledger.end_audit("a1", START, "completed")
        audit = ledger.audit()
        assert audit is not None
        assert [host.state for host in audit.hosts] == [AuditState.AUDITED, AuditState.UNKNOWN]

    def test_drift_since_a_day(self, ledger: Ledger) -> None:
        """A date is its start in UTC; a time needs its zone; nonsense is named."""
        for n, value in enumerate((1, 2, 3)):
            _run(ledger, f"a{n}", audited("h", A01=(Verdict.PASS, value)), START + n * _DAY)
        assert len(ledger.drift(since="2026-03-01")) == 2
        assert len(ledger.drift(since="2026-03-03")) == 1
        assert len(ledger.drift(since="2026-03-03T17:00:00+08:00")) == 0
        assert len(ledger.drift(since="2026-03-03T16:00:00+08:00")) == 1
        for nonsense in ("yesterday", "2026-03-03T16:00:00", ""):
            refused(ConfigInvalid, lambda since=nonsense: ledger.drift(since=since))  # type: ignore[misc]

    def test_host_counts_per_inventory(self, ledger: Ledger) -> None:
        """The last count of each, None the first time."""
        assert ledger.last_host_count("lab") is None
        ledger.remember_host_count("lab", 12, START)
        ledger.remember_host_count("example", 3, START)
        ledger.remember_host_count("lab", 11, START + _DAY)
        assert (ledger.last_host_count("lab"), ledger.last_host_count("example")) == (11, 3)

    def test_port_samples_are_one_a_day_for_forty_days(
        self, ledger: Ledger, clock: ManualClock
    ) -> None:
        """And growing counters are no drift."""
        for n in range(50):
            for hour in (0, 6):
                at = clock.advance(timedelta(hours=6 if hour else 18))
                reading = {"at": at.isoformat(), "boot": "b1", "counters": {"pos": 10 * n + hour}}
                host = audited("h", D04=(Verdict.PASS, {"reading": reading, "idle": []}))
                assert _run(ledger, f"a{n}-{hour}", host, at) == []
        samples = ledger.port_samples("h")
        assert len(samples) == 41
        assert samples[-1]["counters"] == {"pos": 496}
        assert samples[-1]["boot"] == "b1"
        times = [datetime.fromisoformat(str(sample["at"])) for sample in samples]
        assert times == sorted(times)
        assert clock.now() - times[0] <= timedelta(days=40)
        assert ledger.port_samples("other") == ()

    def test_a_sample_is_dated_by_the_host_where_it_says_so(
        self, ledger: Ledger, clock: ManualClock
    ) -> None:
        """What is collected late was read earlier; without date and zone, the recording counts."""
        read = {"at": (START - _DAY).isoformat(), "counters": {"pos": 1}}
        late = clock.advance(_DAY)
        _run(ledger, "a1", audited("h1", D04=(Verdict.PASS, {"reading": read})), late)
        undated = {"at": "2020-01-01T00:00:00", "counters": {"pos": 1}}
        _run(ledger, "a2", audited("h2", D04=(Verdict.PASS, undated)), late)
        times = [
            datetime.fromisoformat(str(ledger.port_samples(host)[0]["at"])) for host in ("h1", "h2")
        ]
        assert times == [START - _DAY, late]

    def test_a_fine_ledger_verifies(self, ledger: Ledger) -> None:
        """And its head is what a remembered hash is compared with."""
        _run(ledger, "a1", audited("h", A01=(Verdict.PASS, 8), A02=Verdict.ERROR))
        _run(ledger, "a2", audited("h", A01=(Verdict.FAIL, 6), A02=Verdict.PASS))
        ledger.remember_host_count("lab", 1, START)
        *_, last = ledger.journal()
        verified = ledger.verify(known={last.sequence: last.hash})
        assert (verified.problems, verified.head) == ((), last.hash)
        assert verified.entries == last.sequence
        lying = ledger.verify(known={last.sequence: "0" * 64})
        assert lying.problems[0].where == f"entry {last.sequence}"
        cut = ledger.verify(known={last.sequence + 1: last.hash})
        assert cut.problems[0].where == f"entry {last.sequence + 1}"


def _run(ledger: Ledger, audit: str, host: HostAudit, at: datetime = START) -> list[Drift]:
    """One whole audit of one host; its transitions."""
    controls = [finding.control for finding in host.findings]
    ledger.begin_audit(audit, at, [host.host], controls, "content")
    drifts = ledger.record_host(audit, host, at)
    ledger.end_audit(audit, at, "completed")
    return list(drifts)
