# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a wave: worked on, watched, judged, promoted.

Only PASS promotes. Gates that cannot tell buy the wave another soak, a bounded number of times,
and then a person decides; while it waits for the person, gates are asked on, and may still pass or
fail. A soak is over when both its wall time and its trading time have passed. The emergency lane
shortens the soak, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from storewarden.domain.gates.verdict import Outcome, Verdict, worst
from storewarden.domain.rollout.course import Course
from storewarden.domain.rollout.dispatching import admission
from storewarden.domain.rollout.events import (
    HostMoved,
    Judged,
    Moved,
    RollbackBegan,
    SoakCounted,
    SoakExtended,
    WaveBegan,
    WaveMoved,
)
from storewarden.domain.rollout.holding import missing
from storewarden.domain.rollout.orders import going_back, promotion
from storewarden.domain.rollout.record import (
    Cause,
    HostRecord,
    HostState,
    RolloutState,
    WaveRecord,
    WaveState,
)
from storewarden.domain.rollout.spec import RolloutSpec, Soak

APPROVAL = "approval"
"""The kind of gate that waits for a person: another soak would tell it nothing."""

PATIENCE = timedelta(minutes=30)
"""How long a wave waits for hosts whose group is not free."""

LOOK_LEAST = timedelta(minutes=1)
LOOKS = 10  # during one soak, for failures that cannot wait for its end

_UNSETTLED = (
    HostState.PLANNED,
    HostState.PREFLIGHT,
    HostState.CAPTURED,
    HostState.APPLYING,
    HostState.VERIFYING,
    HostState.UNDOING,
    HostState.RESTORED,
    HostState.UNKNOWN,
)


def soak_of(spec: RolloutSpec) -> Soak:
    """How long each wave is watched."""
    if not spec.emergency:
        return spec.soak
    return Soak(wall=min(spec.soak.wall, spec.emergency_soak))


def move_wave(course: Course) -> None:
    """Whatever the wave under way is ready for."""
    wave = course.rollout.wave
    if wave is None:
        _complete(course)
    else:
        _MOVES.get(wave.state, _stay)(course, wave)


def _stay(_course: Course, _wave: WaveRecord) -> None:
    return


def _begin(course: Course, wave: WaveRecord) -> None:
    if course.rollout.state is RolloutState.RUNNING:
        course.tell(WaveBegan(wave=wave.number))


def _work(course: Course, wave: WaveRecord) -> None:
    number = wave.number
    silent = course.hosts(HostState.OFFLINE_TOUCHED, wave=number)
    open_ = course.count(*_UNSETTLED, wave=number)
    open_ += sum(bool(host.dispatch) or not host.debt for host in silent)
    open_ -= _blocked(course, wave)
    needed = missing(course, wave)
    if needed and _too_late(course, wave):
        _give_silent_up(course, needed)
    elif open_ or needed:
        _say_open(course, wave, open_, len(needed))
    elif course.count(HostState.SOAKING, wave=number):
        _go(course, wave, WaveState.SOAKING, "every host is verified or set aside", "均已处理")
    elif _nothing_to_do(course, wave):
        _go(course, wave, WaveState.PROMOTED, "nothing to do on any of its hosts", "无需变更")
    else:
        why = "no host of it could be verified: a person has to look"
        _go(course, wave, WaveState.HELD, why, "没有主机通过验证，须人工处理")


def _too_late(course: Course, wave: WaveRecord) -> bool:
    """Whether a wave need not wait for silent hosts any more: the change's own window is over, so
    nothing could be begun on them, or they were asked for as long as stragglers are. Other hosts
    that are worked on come to their end first, and a person who has paused the rollout decides
    first."""
    rollout, ends, now = course.rollout, course.facts.change_ends, course.now
    expiry = (wave.began or now) + rollout.spec.stragglers.expiry
    over = expiry if ends is None else min(ends, expiry)
    if rollout.dispatches or rollout.state is RolloutState.PAUSED:
        return False
    if now < over:
        course.wake(over)
    return now >= over


def _give_silent_up(course: Course, silent: Sequence[HostRecord]) -> None:
    """They are asked no more: each is a debt of the rollout, and the wave goes on without them."""
    debt = "not reached in the time of its change: it was not changed"
    debt_zh = "变更期限内无法连接：未变更"
    course.tell(
        HostMoved(
            hosts=tuple(host.name for host in silent),
            to=HostState.SKIPPED,
            reason=debt,
            reason_zh=debt_zh,
            debt=debt,
            debt_zh=debt_zh,
        )
    )


def _blocked(course: Course, wave: WaveRecord) -> int:
    """Untouched hosts that wait for others which nothing is under way on: as long as an HA node is
    off, its peer is not changed either. Up to the share of stragglers they hold no wave."""
    planned, now = course.count(HostState.PLANNED, wave=wave.number), course.now
    share = course.rollout.spec.stragglers.share * course.count(wave=wave.number)
    if not planned or course.rollout.dispatches or planned > share:
        return 0
    until = (wave.began or now) + PATIENCE
    if now < until:
        course.wake(until)
        return 0
    return len(admission(course, course.hosts(HostState.PLANNED, wave=wave.number)).refused)


def _nothing_to_do(course: Course, wave: WaveRecord) -> bool:
    skipped = course.hosts(HostState.SKIPPED, wave=wave.number)
    whole = course.count(wave=wave.number)
    return len(skipped) == whole and not any(host.debt for host in skipped)


def _say_open(course: Course, wave: WaveRecord, open_: int, needed: int) -> None:
    if not course.rollout.dispatches and needed:
        course.wait(
            f"{needed} hosts of wave {wave.number} cannot be reached",
            f"第 {wave.number} 波有 {needed} 台主机无法连接",
        )
    elif course.rollout.dispatches:  # else whoever cannot dispatch says why
        course.wait(
            f"{open_} hosts of wave {wave.number} are worked on",
            f"第 {wave.number} 波有 {open_} 台主机处理中",
        )


def _go(course: Course, wave: WaveRecord, to: WaveState, why: str, why_zh: str) -> None:
    course.tell(WaveMoved(wave=wave.number, to=to, reason=why, reason_zh=why_zh))


def _soak(course: Course, wave: WaveRecord) -> None:
    verdicts = course.verdicts(wave)
    if verdicts is not None:
        course.tell(Judged(wave=wave.number, verdicts=verdicts))
        hard = [verdict for verdict in verdicts if _harm(verdict) and verdict.hard]
        if hard:
            _go_back(course, hard)
            return
    soak, now = soak_of(course.rollout.spec), course.now
    ends = (wave.soaking or now) + soak.wall
    about = course.facts.wave in (0, wave.number)
    traded = course.facts.traded if about else timedelta(0)
    if now < ends or traded < soak.trading:
        _watch(course, wave, max(ends, now + soak.trading - traded))
    elif course.rollout.state is RolloutState.RUNNING:  # gates promote nobody while it is held
        course.tell(SoakCounted(wave=wave.number, traded=traded))
        _go(course, wave, WaveState.GATE, "watched long enough", "观察期已满")


def _watch(course: Course, wave: WaveRecord, until: datetime) -> None:
    course.wait(
        f"wave {wave.number} is watched until {until:%Y-%m-%d %H:%M} UTC at least",
        f"第 {wave.number} 波观察期至少到 {until:%Y-%m-%d %H:%M} UTC",
    )
    course.wake(until)
    _ask_now_and_then(course, wave)


def _ask_now_and_then(course: Course, wave: WaveRecord) -> None:
    if not course.rollout.spec.gates:
        return
    looked = wave.looked or course.now
    next_ = looked + max(LOOK_LEAST, soak_of(course.rollout.spec).wall / LOOKS)
    if looked <= course.now < next_:
        course.wake(next_)
    else:
        course.ask_gates = wave.number


def _judge(course: Course, wave: WaveRecord) -> None:
    if course.rollout.state is not RolloutState.RUNNING:
        return
    verdicts = course.verdicts(wave)
    if verdicts is None:
        course.ask_gates = wave.number
        course.wait(f"the gates of wave {wave.number}", f"第 {wave.number} 波的门禁判定")
        return
    course.tell(Judged(wave=wave.number, verdicts=verdicts))
    answer = worst(verdicts)
    if answer is Outcome.FAIL:
        _go_back(course, [each for each in verdicts if _harm(each)])
    elif answer is Outcome.PASS:
        course.tell(*promotion(course.rollout, wave, "every gate passed", "所有门禁通过"))
    else:
        _cannot_tell(course, wave, [v for v in verdicts if v.outcome is Outcome.HOLD])


def _cannot_tell(course: Course, wave: WaveRecord, holds: Sequence[Verdict]) -> None:
    why = holds[0].reason if holds else "no gate was asked"
    why_zh = (holds[0].reason_zh or why) if holds else "没有任何门禁"
    kinds = {gate.name: gate.kind for gate in course.rollout.spec.gates}
    person = bool(holds) and all(kinds.get(each.gate) == APPROVAL for each in holds)
    if person or wave.extended >= course.rollout.spec.extensions:
        _go(course, wave, WaveState.HELD, why, why_zh)
    else:
        course.tell(SoakExtended(wave=wave.number, reason=why, reason_zh=why_zh))


def _held(course: Course, wave: WaveRecord) -> None:
    """Waits for a person; but evidence that comes late counts as well."""
    verdicts = course.verdicts(wave)
    if verdicts is not None:
        course.tell(Judged(wave=wave.number, verdicts=verdicts))
        answer = worst(verdicts)
        proven = bool(course.hosts(HostState.SOAKING, wave=wave.number))
        if answer is Outcome.FAIL:
            _go_back(course, [each for each in verdicts if _harm(each)])
            return
        if answer is Outcome.PASS and proven and course.rollout.state is RolloutState.RUNNING:
            course.tell(*promotion(course.rollout, wave, "every gate passes now", "门禁已通过"))
            return
    course.wait(
        f"wave {wave.number} waits for a person: promote it, or roll back",
        f"第 {wave.number} 波等待人工决定：放行或回退",
    )
    _ask_now_and_then(course, wave)


def _harm(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.FAIL


def _go_back(course: Course, against: Sequence[Verdict]) -> None:
    first = against[0]
    began = RollbackBegan(
        cause=Cause.GATE,
        reason=f"gate {first.gate}: {first.reason}",
        reason_zh=f"门禁 {first.gate}：{first.reason_zh or first.reason}",
    )
    course.tell(*going_back(course.rollout, began))


_MOVES = {
    WaveState.PENDING: _begin,
    WaveState.RUNNING: _work,
    WaveState.SOAKING: _soak,
    WaveState.GATE: _judge,
    WaveState.HELD: _held,
}


def _complete(course: Course) -> None:
    """Every wave is promoted: what is at its target is final, and out of exposure."""
    if course.rollout.state is not RolloutState.RUNNING:
        return
    finish(course)
    done = (HostState.FINAL, HostState.SKIPPED)
    left = course.hosts(*(state for state in HostState if state not in done))
    if not left:
        there = ("every host is at its target", "所有主机均已达到目标")
        course.tell(Moved(to=RolloutState.COMPLETED, reason=there[0], reason_zh=there[1]))
        return
    course.tell(
        Moved(
            to=RolloutState.COMPLETED_WITH_STRAGGLERS,
            reason=f"{len(left)} hosts are left ({left[0].name} ..)",
            reason_zh=f"尚余 {len(left)} 台主机（{left[0].name} 等）",
        )
    )


def finish(course: Course) -> None:
    """Hosts at their target are final; so are those that an older rollout had brought there."""
    there = course.idle(HostState.AT_TARGET)
    there += [h for h in course.idle(HostState.SKIPPED) if h.touched and not h.debt]
    names = tuple(host.name for host in there)
    if names:
        final = ("the rollout is over", "发布已结束")
        course.tell(HostMoved(hosts=names, to=HostState.FINAL, reason=final[0], reason_zh=final[1]))
