# SPDX-License-Identifier: GPL-3.0-or-later
"""What may follow what: of a rollout, of a wave, of a host (reference: rollouts, "States").

The text beside a move says what makes it; the page docs/reference/rollout-states.md shows it.
"""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.domain.rollout.events import (
    Approved,
    Dispatched,
    EpochRaised,
    HostMoved,
    Judged,
    Locked,
    Moved,
    Opened,
    Ordered,
    Reported,
    RollbackBegan,
    SoakCounted,
    SoakExtended,
    Started,
    Superseded,
    WaveBegan,
    WaveMoved,
)
from storewarden.domain.rollout.record import HostState as H
from storewarden.domain.rollout.record import Phase, RolloutState
from storewarden.domain.rollout.record import RolloutState as R
from storewarden.domain.rollout.record import WaveState as W

ACTIVE = frozenset({R.RUNNING, R.PAUSED, R.HELD_WINDOW, R.HELD_FREEZE})
"""It has begun and goes forward, or would if nothing held it."""

GOING_BACK = frozenset({R.ABORTING, R.ROLLING_BACK})
"""Hosts are being restored."""

LINGERING = frozenset({R.COMPLETED_WITH_STRAGGLERS, R.ROLLED_BACK_WITH_DEBT})
"""Over, except for some hosts that are still worked off."""

ENDED = frozenset({R.COMPLETED, R.ROLLED_BACK, R.CANCELLED, R.SUPERSEDED}) | LINGERING
"""No order but a release (and, of a completed one, a rollback) is taken any more."""

_FINISHED = frozenset({R.COMPLETED, R.COMPLETED_WITH_STRAGGLERS})
_WORKING = ACTIVE | GOING_BACK | LINGERING
_IN_ORDER = tuple(state for state in R if state in ACTIVE)  # a set has none, and the page needs one
_BEGUN: Mapping[tuple[R, R], str] = {
    **{(state, R.ABORTING): "abort, rollback, gate or hosts failed" for state in _IN_ORDER},
    **{(state, R.SUPERSEDED): "a newer rollout took over" for state in _IN_ORDER},
    **{(state, R.CANCELLED): "its change is over, no host was touched" for state in _IN_ORDER},
}

ROLLOUT: Mapping[tuple[RolloutState, RolloutState], str] = {
    (R.DRAFT, R.APPROVED): "its change is approved",
    (R.DRAFT, R.CANCELLED): "cancel, or its change is over",
    (R.DRAFT, R.SUPERSEDED): "a newer rollout took over",
    (R.APPROVED, R.RUNNING): "its change is in progress",
    (R.APPROVED, R.CANCELLED): "cancel, or its change is over",
    (R.APPROVED, R.SUPERSEDED): "a newer rollout took over",
    (R.RUNNING, R.PAUSED): "pause, or a rule",
    (R.RUNNING, R.HELD_WINDOW): "no store may begin now",
    (R.RUNNING, R.HELD_FREEZE): "freeze or kill switch",
    (R.RUNNING, R.COMPLETED): "every wave promoted, every host at its target",
    (R.RUNNING, R.COMPLETED_WITH_STRAGGLERS): "every wave promoted, some hosts left",
    (R.PAUSED, R.RUNNING): "resume, or its change goes on",
    (R.PAUSED, R.PAUSED): "a person takes a rule's pause over",
    (R.HELD_WINDOW, R.RUNNING): "a store may begin",
    (R.HELD_WINDOW, R.HELD_WINDOW): "the next window is another one",
    (R.HELD_WINDOW, R.PAUSED): "pause, or a rule",
    (R.HELD_WINDOW, R.HELD_FREEZE): "freeze or kill switch",
    (R.HELD_FREEZE, R.RUNNING): "the freeze is over",
    (R.HELD_FREEZE, R.HELD_WINDOW): "the freeze is over, and no store may begin now",
    (R.HELD_FREEZE, R.PAUSED): "pause, or a rule",
    **_BEGUN,
    (R.ABORTING, R.ROLLING_BACK): "what was under way has ended",
    (R.ROLLING_BACK, R.ROLLED_BACK): "every touched host is restored",
    (R.ROLLING_BACK, R.ROLLED_BACK_WITH_DEBT): "every touched host is restored or a debt",
    (R.ROLLED_BACK_WITH_DEBT, R.ROLLED_BACK): "the last debt is restored",
    (R.COMPLETED, R.ABORTING): "rollback while the restore points are there",
    (R.COMPLETED_WITH_STRAGGLERS, R.COMPLETED): "the last straggler is caught up with",
    (R.COMPLETED_WITH_STRAGGLERS, R.ABORTING): "rollback",
    (R.COMPLETED_WITH_STRAGGLERS, R.SUPERSEDED): "a newer rollout took over",
}

WAVE: Mapping[tuple[W, W], str] = {
    (W.PENDING, W.RUNNING): "its turn has come",
    (W.RUNNING, W.SOAKING): "each host verified, skipped or set aside",
    (W.RUNNING, W.PROMOTED): "nothing to do on any of its hosts",
    (W.RUNNING, W.HELD): "no host of it could be verified",
    (W.SOAKING, W.GATE): "watched long enough",
    (W.GATE, W.SOAKING): "gates cannot tell: another soak",
    (W.GATE, W.PROMOTED): "every gate passed",
    (W.GATE, W.HELD): "gates still cannot tell",
    (W.HELD, W.PROMOTED): "a person promotes it, or every gate passes now",
    **{(state, W.FAILED): "going back" for state in (W.RUNNING, W.SOAKING, W.GATE, W.HELD)},
}

_FOUND = (H.APPLYING, H.VERIFYING, H.SOAKING, H.AT_TARGET, H.RESTORED, H.PLANNED)
_TAKEN_BACK = (
    H.PLANNED,
    H.CAPTURED,
    H.APPLYING,
    H.VERIFYING,
    H.SOAKING,
    H.AT_TARGET,
    H.FINAL,
    H.RESTORED,
    H.OFFLINE_UNTOUCHED,
    H.ATTENTION,
    H.SKIPPED,
)
_LEFT_ALONE = (H.PLANNED, H.CAPTURED, H.APPLYING, H.VERIFYING, H.SOAKING, H.AT_TARGET, H.FINAL)

HOST: Mapping[tuple[H, H], str] = {
    (H.PLANNED, H.PREFLIGHT): "preflight dispatched",
    (H.OFFLINE_UNTOUCHED, H.PREFLIGHT): "preflight dispatched",
    (H.PREFLIGHT, H.CAPTURED): "ready, restore point captured",
    (H.PREFLIGHT, H.SKIPPED): "nothing to do",
    (H.PREFLIGHT, H.PLANNED): "not fit now: tried again",
    (H.PREFLIGHT, H.ATTENTION): "the host or the role refused",
    (H.PREFLIGHT, H.OFFLINE_UNTOUCHED): "not reached",
    (H.PREFLIGHT, H.UNKNOWN): "its run was lost",
    (H.CAPTURED, H.PLANNED): "waited too long: a fresh preflight",
    (H.CAPTURED, H.APPLYING): "change dispatched",
    (H.APPLYING, H.VERIFYING): "changed, dead man armed",
    (H.APPLYING, H.CAPTURED): "its run was never begun",
    (H.APPLYING, H.RESTORED): "failed and restored",
    (H.APPLYING, H.UNKNOWN): "failed, or its run was lost",
    (H.APPLYING, H.OFFLINE_TOUCHED): "not reached",
    (H.VERIFYING, H.SOAKING): "verified and confirmed",
    (H.VERIFYING, H.AT_TARGET): "verified after its wave was promoted",
    (H.VERIFYING, H.RESTORED): "did not work, restored",
    (H.VERIFYING, H.UNKNOWN): "failed, or its run was lost",
    (H.VERIFYING, H.OFFLINE_TOUCHED): "not reached",
    (H.SOAKING, H.AT_TARGET): "its wave was promoted",
    (H.AT_TARGET, H.FINAL): "the rollout is over",
    (H.SKIPPED, H.FINAL): "the rollout is over, an older one's change stays",
    (H.UNDOING, H.RESTORED): "as it was at capture",
    (H.UNDOING, H.ATTENTION): "something could not be put back",
    (H.UNDOING, H.UNKNOWN): "failed, or its run was lost",
    (H.UNDOING, H.OFFLINE_TOUCHED): "not reached",
    (H.RESTORED, H.PLANNED): "nobody's fault: tried again",
    (H.RESTORED, H.ATTENTION): "failed, but the wave goes on",
    (H.UNKNOWN, H.OFFLINE_TOUCHED): "a probe cannot reach it",
    (H.UNKNOWN, H.OFFLINE_UNTOUCHED): "a probe cannot reach it, nothing was changed",
    (H.OFFLINE_TOUCHED, H.UNKNOWN): "a probe reaches it, but cannot tell",
    **{(state, H.UNDOING): "undo dispatched" for state in _TAKEN_BACK},
    **{(H.UNKNOWN, state): "a probe found it so" for state in _FOUND},
    **{(H.OFFLINE_TOUCHED, state): "a probe found it so" for state in _FOUND},
    **{(H.OFFLINE_UNTOUCHED, state): "a probe found it so" for state in _FOUND},
    (H.OFFLINE_UNTOUCHED, H.UNKNOWN): "a probe reaches it, but cannot tell",
    (H.OFFLINE_UNTOUCHED, H.OFFLINE_TOUCHED): "a probe cannot reach it, an older change is on it",
    (H.OFFLINE_UNTOUCHED, H.ATTENTION): "something could not be put back",
    **{(state, H.ATTENTION): "tried too often" for state in _LEFT_ALONE},
    (H.UNKNOWN, H.ATTENTION): "tried too often, or something could not be put back",
    (H.OFFLINE_TOUCHED, H.ATTENTION): "something could not be put back",
    (H.OFFLINE_UNTOUCHED, H.SKIPPED): "not reached for too long, or released by a person",
    (H.PLANNED, H.SKIPPED): "its group was not free for too long, or released by a person",
    **{
        (state, H.SKIPPED): "released by a person"
        for state in (H.UNKNOWN, H.OFFLINE_TOUCHED, H.ATTENTION)
    },
}

PHASES: Mapping[Phase, tuple[frozenset[RolloutState], frozenset[H], H | None]] = {
    Phase.PREFLIGHT: (
        frozenset({R.RUNNING, R.COMPLETED_WITH_STRAGGLERS}),
        frozenset({H.PLANNED, H.OFFLINE_UNTOUCHED}),
        H.PREFLIGHT,
    ),
    Phase.APPLY: (
        frozenset({R.RUNNING, R.COMPLETED_WITH_STRAGGLERS}),
        frozenset({H.CAPTURED}),
        H.APPLYING,
    ),
    Phase.JUDGE: (ACTIVE | {R.COMPLETED_WITH_STRAGGLERS}, frozenset({H.VERIFYING}), None),
    Phase.UNDO: (_WORKING, frozenset(_TAKEN_BACK), H.UNDOING),
    Phase.PROBE: (
        _WORKING,
        frozenset({H.UNKNOWN, H.OFFLINE_TOUCHED, H.OFFLINE_UNTOUCHED}),
        None,
    ),
}
"""Per phase: the rollout's states in which it may be dispatched, the host's states from which, and
the state that it brings the host into (None: it stays where it is)."""

HAPPENS: Mapping[type, frozenset[RolloutState]] = {
    Opened: frozenset(),  # only as the first
    Approved: frozenset({R.DRAFT}),
    Started: frozenset({R.APPROVED}),
    WaveBegan: frozenset({R.RUNNING}),
    Dispatched: _WORKING,
    Reported: _WORKING,
    Locked: ACTIVE | {R.COMPLETED_WITH_STRAGGLERS},
    WaveMoved: ACTIVE,
    SoakCounted: ACTIVE,
    SoakExtended: ACTIVE,
    Judged: ACTIVE,
    Moved: frozenset(R),
    Ordered: frozenset(R),
    RollbackBegan: ACTIVE | _FINISHED,
    HostMoved: _WORKING,
    EpochRaised: _WORKING,
    Superseded: frozenset({R.DRAFT, R.APPROVED, R.COMPLETED_WITH_STRAGGLERS}) | ACTIVE,
}
"""In which states of the rollout each event may happen."""
