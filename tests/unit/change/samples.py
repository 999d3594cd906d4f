# SPDX-License-Identifier: GPL-3.0-or-later
"""Any change that there could be, for hypothesis."""

from __future__ import annotations

from datetime import UTC

from hypothesis import strategies as st

from storewarden.domain.change.record import (
    Approval,
    Change,
    Debt,
    DebtKind,
    Draft,
    Evidence,
    EvidenceKind,
    Item,
    KeyStep,
    Kind,
    Outcome,
    Risk,
    RollbackPlan,
    Span,
    Standing,
    State,
    WindowOverride,
)

text = st.text(max_size=12)
moments = st.datetimes(timezones=st.just(UTC))
maybe = st.none() | moments
counts = st.integers(0, 9)


def _some[T](one: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(one, max_size=2).map(tuple)


items = st.builds(Item, host=text, ci=text, store=text, region=text, role=text, tier=text)
rollbacks = st.builds(RollbackPlan, trigger=text, steps=text, owner=text)
spans = st.builds(Span, starts=moments, ends=moments)
steps = st.builds(
    KeyStep,
    name=text,
    two_person=st.booleans(),
    done_by=text,
    done_at=maybe,
    checked_by=text,
    checked_at=maybe,
)
standings = st.builds(
    Standing, action=text, until=moments, runs=counts, failures=counts, last_run=maybe
)
drafts = st.builds(
    Draft,
    summary=text,
    kind=st.sampled_from(Kind),
    risk=st.sampled_from(Risk),
    reason=text,
    items=_some(items),
    plan=text,
    rollback=rollbacks,
    operation=text,
    window=st.none() | spans,
    owner=text,
    steps=_some(steps),
    standing=st.none() | standings,
)
approvals = _some(
    st.builds(
        Approval,
        person=text,
        roles=_some(text),
        at=moments,
        expires=moments,
        comment=text,
        expired=st.booleans(),
    )
)
overrides = st.builds(
    WindowOverride,
    reason=text,
    expires=moments,
    asked_by=text,
    asked_at=moments,
    approvals=approvals,
)
changes = st.builds(
    Change,
    number=text,
    version=counts,
    state=st.sampled_from(State),
    draft=drafts,
    requester=text,
    opened_at=moments,
    owner=text,
    approvals=approvals,
    override=st.none() | overrides,
    evidence=_some(
        st.builds(
            Evidence,
            kind=st.sampled_from(EvidenceKind),
            name=text,
            media_type=text,
            size=counts,
            digest=text,
            by=text,
            at=moments,
            note=text,
        )
    ),
    steps=_some(steps),
    debts=_some(
        st.builds(
            Debt,
            kind=st.sampled_from(DebtKind),
            due=moments,
            what=text,
            reminded=counts,
            settled_by=text,
            settled_at=maybe,
        )
    ),
    standing=st.none() | standings,
    reason=text,
    outcome=st.none() | st.sampled_from(Outcome),
    started_at=maybe,
    started_by=text,
    ended_at=maybe,
    closed_at=maybe,
    tickets=st.dictionaries(text, text, max_size=2),
    reminders=st.dictionaries(text, counts, max_size=2),
    updated_at=maybe,
)
