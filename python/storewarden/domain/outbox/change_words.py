# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for what happens to a change, in English and Chinese.

One function per kind of event that people have to know of; the kinds that are
not in ``TOLD`` (notes, tickets, single steps, runs that went well) can be read
in the ledger. What a function needs beyond the entry is in the change itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.record import Change, Kind, Risk, State
from storewarden.domain.outbox import approval_words, override_words, work_words
from storewarden.domain.outbox.notice import Context, Event, Text, Words
from storewarden.domain.outbox.places import place, quoted
from storewarden.domain.outbox.story import NOTHING, Phrase, Story

KINDS: Mapping[Kind, Text] = {
    Kind.STANDARD: Text(en="standard", zh="标准变更"),
    Kind.EMERGENCY: Text(en="emergency", zh="紧急变更"),
    Kind.MAJOR: Text(en="major", zh="重大变更"),
    Kind.MINOR: Text(en="minor", zh="一般变更"),
}
RISKS: Mapping[Risk, Text] = {
    Risk.LOW: Text(en="low risk", zh="低风险"),
    Risk.MEDIUM: Text(en="medium risk", zh="中风险"),
    Risk.HIGH: Text(en="high risk", zh="高风险"),
}

_OVER = (State.REJECTED, State.CANCELLED)


def change_words(event: Event, change: Change, context: Context) -> Words | None:
    """The words for one event of ``change``; None when nobody has to know."""
    if change.state in _OVER:
        context = replace(context, waiting=())  # whose approval is missing no longer matters
    story = Story(event=event, change=change, context=context)
    kind = event.kind.removeprefix("change ")
    phrase = TOLD[kind](story) if kind in TOLD else None
    if phrase is None:
        return None
    return Words(
        severity=phrase.severity,
        label=phrase.label,
        title=_numbered(change.number, phrase.title),
        what=_what(change),
        where=place(change.draft.items),
        done=phrase.done,
        next=phrase.next,
        roles=phrase.roles,
        people=phrase.people,
        regions=frozenset(item.region for item in change.draft.items if item.region),
    )


def _numbered(number: str, title: Text) -> Text:
    return Text(en=f"{number} {title.en}", zh=f"{number} {title.zh}")


def _what(change: Change) -> Text:
    summary = quoted(change.draft.summary, NOTHING)
    kind, risk = KINDS[change.draft.kind], RISKS[change.draft.risk]
    return Text(
        en=f"{summary.en} ({kind.en} change, {risk.en}, requested by {change.requester})",
        zh=f"{summary.zh}（{kind.zh}，{risk.zh}，申请人 {change.requester}）",
    )


TOLD: Mapping[str, Callable[[Story], Phrase | None]] = {
    EventKind.OPENED.value: approval_words.opened,
    EventKind.PLANNED.value: approval_words.planned,
    EventKind.APPROVED.value: approval_words.approved,
    EventKind.AUTHORISED.value: approval_words.authorised,
    EventKind.REJECTED.value: approval_words.rejected,
    EventKind.REFUSED.value: approval_words.refused,
    EventKind.EXPIRED.value: approval_words.expired,
    EventKind.CANCELLED.value: approval_words.cancelled,
    EventKind.STARTED.value: work_words.started,
    EventKind.PAUSED.value: work_words.paused,
    EventKind.RESUMED.value: work_words.resumed,
    EventKind.FINISHED.value: work_words.finished,
    EventKind.CLOSED.value: work_words.closed,
    EventKind.OWES.value: work_words.owes,
    EventKind.SETTLED.value: work_words.settled,
    EventKind.REMINDED.value: work_words.reminded,
    EventKind.RAN.value: work_words.ran,
    EventKind.OVERRIDE_ASKED.value: override_words.asked,
    EventKind.OVERRIDE_APPROVED.value: override_words.approved,
}
