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

_HOSTS_SHOWN = 200  # a ticket is read by people; the ledger has the rest
_STAMPED = len("2026-06-01T10:00:00.000000Z")

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
}
_BY_NAME = {kind.value: text for kind, text in _EVENTS.items()}

_KEYS: Mapping[str, Text] = {
    "kind": Text(en="kind", zh="类型"),
    "risk": Text(en="risk", zh="风险"),
    "requester": Text(en="requester", zh="申请人"),
    "owner": Text(en="owner", zh="负责人"),
    "window": Text(en="window", zh="窗口"),
    "items": Text(en="configuration items", zh="配置项"),
    "reason": Text(en="reason", zh="原因"),
    "plan": Text(en="plan", zh="方案"),
    "rollback": Text(en="rollback plan", zh="回滚方案"),
    "trigger": Text(en="when to roll back", zh="回滚条件"),
    "steps": Text(en="steps", zh="步骤"),
    "comment": Text(en="comment", zh="意见"),
    "roles": Text(en="as", zh="角色"),
    "expires": Text(en="valid until", zh="有效期至"),
    "text": Text(en="text", zh="内容"),
    "note": Text(en="note", zh="说明"),
    "outcome": Text(en="outcome", zh="结果"),
    "step": Text(en="step", zh="步骤"),
    "name": Text(en="name", zh="名称"),
    "due": Text(en="due", zh="期限"),
    "what": Text(en="what", zh="事项"),
    "debt": Text(en="debt", zh="欠项"),
    "hosts": Text(en="hosts", zh="设备"),
    "tried": Text(en="tried", zh="尝试的操作"),
    "hint": Text(en="what to do", zh="建议"),
}
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
        "requester": change.requester,
        "owner": change.owner,
        "window": f"{_local(window.starts, zone)} - {_local(window.ends, zone)}" if window else "",
        "items": _hosts(change.hosts),
        "reason": draft.reason,
        "plan": draft.plan,
        "trigger": draft.rollback.trigger,
        "rollback": draft.rollback.steps,
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
    head = f"{_local(event.at, voice.zone)}  {told}"
    if by and by != CLOCKWORK:
        head += f" ({by})"
    foot = {"en": "journal entry", "zh": "日志条目"}["zh" if voice.language == "zh" else "en"]
    lines = [head, *_lines(_told(kind, event.body), voice), f"[{foot} {event.sequence}: {seal}]"]
    return "\n".join(lines)


def ends_ticket(kind: str) -> bool:
    """Whether an entry of this kind ends the work that the ticket stands for."""
    return kind.removeprefix("change ") in {each.value for each in _ENDS}


def resolution(event: Event) -> str:
    """How the ticket ends, in a few words: the outcome and its reason, or what came instead."""
    kind = event.kind.removeprefix("change ")
    outcome = str(event.body.get("outcome", "")) or kind
    reason = " ".join(str(event.body.get("reason", "")).split())
    return f"{outcome}: {reason}" if reason else outcome


def _told(kind: str, body: Mapping[str, object]) -> Mapping[str, object]:
    """What a note repeats of an entry; the draft is the ticket itself."""
    silent = {"by", "at"} | ({"draft"} if kind == EventKind.OPENED.value else set())
    return {key: value for key, value in body.items() if key not in silent}


def _lines(values: Mapping[str, object], voice: Voice, indent: str = "") -> list[str]:
    lines = []
    for key, value in values.items():
        name = _KEYS[key].in_(voice.language) if key in _KEYS else key
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
            return _local(datetime.fromisoformat(value), voice.zone)
        except ValueError:
            return value
    return str(value).strip()


def _hosts(hosts: tuple[str, ...]) -> list[str]:
    rest = len(hosts) - _HOSTS_SHOWN
    return [*hosts[:_HOSTS_SHOWN], f"+{rest}"] if rest > 0 else list(hosts)


def _local(at: datetime, zone: tzinfo) -> str:
    """``2026-06-01 22:10:00 +08:00``: nobody has to guess the zone."""
    told = at.astimezone(zone).isoformat(sep=" ", timespec="seconds")
    return f"{told[:19]} {told[19:]}"
