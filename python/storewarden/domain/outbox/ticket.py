# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ticket says: the change as it was asked for, then every journal entry as a note.

A notification picks what people have to know; a ticket is a copy, so nothing is left out
and nothing is told in other words than the journal's own. Each note ends with its entry's
number and hash: whoever rewrites the ledger would have to rewrite the tickets as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.people import CLOCKWORK
from storewarden.domain.change.record import Change
from storewarden.domain.outbox.change_words import KINDS, RISKS
from storewarden.domain.outbox.notice import Event, Text
from storewarden.domain.outbox.ticket_values import NAMES, shown, step_told, value_told

_HOSTS_SHOWN = 200  # a ticket is read by people; the ledger has the rest
_STAMPED = len("2026-06-01T10:00:00.000000Z")
_SEAL_SHOWN = 12  # hex digits in a note's key: nobody meets 48 bits by accident

_EVENTS: Mapping[EventKind, Text] = {
    EventKind.OPENED: Text(en="opened", zh="提出"),
    EventKind.PLANNED: Text(en="plan written", zh="更新方案"),
    EventKind.APPROVED: Text(en="approved", zh="批准"),
    EventKind.AUTHORISED: Text(en="approvals complete", zh="审批完成"),
    EventKind.REJECTED: Text(en="rejected", zh="驳回"),
    EventKind.REFUSED: Text(en="refused", zh="操作被拒绝"),
    EventKind.EXPIRED: Text(en="approval expired", zh="审批过期"),
    EventKind.CANCELLED: Text(en="cancelled", zh="取消"),
    EventKind.STARTED: Text(en="work started", zh="开始实施"),
    EventKind.PAUSED: Text(en="paused", zh="暂停"),
    EventKind.RESUMED: Text(en="resumed", zh="继续"),
    EventKind.STEP_DONE: Text(en="step done", zh="步骤完成"),
    EventKind.STEP_CHECKED: Text(en="step checked by a second person", zh="步骤经第二人复核"),
    EventKind.NOTED: Text(en="noted", zh="备注"),
    EventKind.EVIDENCE: Text(en="evidence attached", zh="附上证据"),
    EventKind.FINISHED: Text(en="work finished", zh="实施结束"),
    EventKind.CLOSED: Text(en="closed", zh="关闭"),
    EventKind.OWES: Text(en="owes", zh="产生欠项"),
    EventKind.SETTLED: Text(en="debt settled", zh="欠项已补"),
    EventKind.REMINDED: Text(en="reminded", zh="催办"),
    EventKind.RAN: Text(en="standing change ran", zh="执行常设变更"),
    EventKind.TICKET: Text(en="ticket opened", zh="已建工单"),
    EventKind.OVERRIDE_ASKED: Text(en="override asked for", zh="申请例外"),
    EventKind.OVERRIDE_APPROVED: Text(en="override approved", zh="批准例外"),
}
_BY_NAME = {kind.value: text for kind, text in _EVENTS.items()}

_ENDS = {EventKind.CLOSED, EventKind.REJECTED, EventKind.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """The language (en, zh) of tickets and the zone of their times."""

    language: str = "en"
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketWords:
    """A ticket to be opened; ``fields`` are for adapters to map, always in English."""

    title: str
    body: str
    fields: Mapping[str, str] = field(default_factory=dict)


def ticket_words(change: Change, voice: Voice) -> TicketWords:
    """The ticket of a change."""
    draft, zone = change.draft, voice.zone
    window = draft.window
    parts: dict[str, object] = {
        "kind": KINDS[draft.kind].in_(voice.language),
        "risk": RISKS[draft.risk].in_(voice.language),
        "operation": draft.operation,
        "requester": change.requester,
        "owner": change.owner,
        "standing": _standing(change, voice),
        "window": f"{local(window.starts, zone)} - {local(window.ends, zone)}" if window else "",
        "items": _hosts(change.hosts),
        "reason": draft.reason,
        "plan": draft.plan,
        "steps": [step_told(s.name, s.two_person, voice.language) for s in draft.steps],
        "trigger": draft.rollback.trigger,
        "rollback": draft.rollback.steps,
        "rollback_by": draft.rollback.owner,
    }
    return TicketWords(
        title=f"{change.number} {' '.join(draft.summary.split())}",
        body="\n".join(_lines(parts, voice)),
        fields={
            "kind": draft.kind.value,
            "risk": draft.risk.value,
            "requester": change.requester,
            "hosts": ", ".join(_hosts(change.hosts)),
        },
    )


def note_words(event: Event, seal: str, voice: Voice) -> str:
    """The note for one journal entry, whose hash is ``seal``."""
    kind = event.kind.removeprefix("change ")
    told = _BY_NAME[kind].in_(voice.language) if kind in _BY_NAME else event.kind
    by = str(event.body.get("by", ""))
    head = f"{local(event.at, voice.zone)}  {told}"
    if by and by != CLOCKWORK:
        head += f" ({by})"
    foot = {"en": "journal entry", "zh": "日志条目"}["zh" if voice.language == "zh" else "en"]
    body = shown(kind, _told(kind, event.body), voice.language)
    lines = [head, *_lines(body, voice), f"[{foot} {event.sequence}: {seal}]"]
    return "\n".join(lines)


def note_key(run_id: str, sequence: int, seal: str) -> str:
    """What a note is recognised by: the entry's number and the beginning of its hash.

    The number alone would come again after a restore that gave entries up, for another entry,
    which would then be taken for one that is there already.
    """
    return f"{run_id}/{sequence}-{seal[:_SEAL_SHOWN]}"


def ends_ticket(kind: str) -> bool:
    """Whether an entry of this kind ends the work that the ticket stands for."""
    return kind.removeprefix("change ") in {each.value for each in _ENDS}


def resolution(event: Event, voice: Voice) -> str:
    """How the ticket ends, in a few words: the outcome and its reason, or what came instead."""
    kind = event.kind.removeprefix("change ")
    body = shown(kind, event.body, voice.language)
    outcome = str(body.get("outcome", "")) or value_told(kind, voice.language)
    reason = " ".join(str(body.get("reason", "")).split())
    colon = "：" if voice.language == "zh" else ": "
    return f"{outcome}{colon}{reason}" if reason else outcome


def _told(kind: str, body: Mapping[str, object]) -> Mapping[str, object]:
    """What a note repeats of an entry; the draft is the ticket itself."""
    silent = {"by", "at"} | ({"draft"} if kind == EventKind.OPENED.value else set())
    if not body.get("rule"):
        silent.add("rule")  # a person did it, and is named
    return {key: value for key, value in body.items() if key not in silent}


def _lines(values: Mapping[str, object], voice: Voice, indent: str = "") -> list[str]:
    lines = []
    for key, value in values.items():
        name = NAMES[key].in_(voice.language) if key in NAMES else key
        lines += _value(name, value, voice, indent)
    return lines


def _value(name: str, value: object, voice: Voice, indent: str) -> list[str]:
    """``name: value``; long texts and nested data begin on a line of their own."""
    if value is None or value in ("", [], (), {}):
        return []
    if isinstance(value, Mapping):
        return [f"{indent}{name}:", *_lines(value, voice, indent + "  ")]
    if isinstance(value, list | tuple):
        if all(isinstance(each, str) for each in value):
            return [f"{indent}{name}: {', '.join(value)}"]
        numbered = {str(n): each for n, each in enumerate(value, 1)}
        return [f"{indent}{name}:", *_lines(numbered, voice, indent + "  ")]
    text = _plain(value, voice)
    if "\n" in text:
        return [f"{indent}{name}:", *(f"{indent}  {line}" for line in text.splitlines())]
    return [f"{indent}{name}: {text}"]


def _plain(value: object, voice: Voice) -> str:
    if isinstance(value, bool):
        words = Text(en="yes", zh="是") if value else Text(en="no", zh="否")
        return words.in_(voice.language)
    if isinstance(value, str) and len(value) == _STAMPED and value.endswith("Z"):
        try:
            return local(datetime.fromisoformat(value), voice.zone)
        except ValueError:
            return value
    return str(value).strip()


def _standing(change: Change, voice: Voice) -> str:
    standing = change.draft.standing
    if standing is None:
        return ""
    until = local(standing.until, voice.zone)
    words = Text(en=f"{standing.action}, until {until}", zh=f"{standing.action}，至 {until}")
    return words.in_(voice.language)


def _hosts(hosts: tuple[str, ...]) -> list[str]:
    rest = len(hosts) - _HOSTS_SHOWN
    return [*hosts[:_HOSTS_SHOWN], f"+{rest}"] if rest > 0 else list(hosts)


def local(at: datetime, zone: tzinfo) -> str:
    """``2026-06-01 22:10:00 +08:00``: nobody has to guess the zone."""
    told = at.astimezone(zone).isoformat(sep=" ", timespec="seconds")
    return f"{told[:19]} {told[19:]}"
