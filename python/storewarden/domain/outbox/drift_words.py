# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of drift tickets, closed months and forced fixes: in tickets and to people.

A ticket is made from the journal entry that opened it, so this room needs to know nothing of
baselines. People are told once per audit how many tickets it opened and closed, never of
each: whoever gets three hundred messages reads none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

from storewarden.domain.outbox.notice import Event, Severity, Text, Words
from storewarden.domain.outbox.places import counted, names
from storewarden.domain.outbox.ticket import TicketWords, Voice, local

JUDGED = "drift judged"
"""The entry after an audit's tickets were opened and closed."""

MONTH_CLOSED = "compliance month closed"
FORCED = "forced fix planned"

_ABOUT = "drift ticket "
_VALUE = 300  # characters of an observed value
_TITLE = 200

KINDS: Mapping[str, Text] = {
    "drift": Text(en="baseline drift", zh="基线偏离"),
    "unaudited": Text(en="not audited", zh="未审计"),
    "problem": Text(en="still failing after a forced fix", zh="强制整改后仍不合规"),
}
_SEVERITIES: Mapping[str, Text] = {
    "high": Text(en="high", zh="高"),
    "medium": Text(en="medium", zh="中"),
    "low": Text(en="low", zh="低"),
}
_ENDS: Mapping[str, Text] = {
    "passed": Text(en="the control passes", zh="该检查项已通过"),
    "waived": Text(en="a waiver covers it", zh="已有豁免"),
    "audited": Text(en="the device was audited again", zh="设备已恢复审计"),
    "compliant": Text(en="the device is compliant again", zh="设备已恢复合规"),
    "gone": Text(en="the control or the device is no longer there", zh="该检查项或设备已不存在"),
}
_HAPPENED: Mapping[str, Text] = {
    "opened": Text(en="opened", zh="建单"),
    "mirrored": Text(en="ticket opened", zh="已建工单"),
    "closed": Text(en="closed", zh="关闭"),
}
_NAMES: Mapping[str, Text] = {
    "host": Text(en="host", zh="设备"),
    "item": Text(en="configuration item", zh="配置项"),
    "store": Text(en="store", zh="门店"),
    "region": Text(en="region", zh="区域"),
    "control": Text(en="control", zh="检查项"),
    "severity": Text(en="severity", zh="严重程度"),
    "guide": Text(en="guide section", zh="指南条款"),
    "value": Text(en="observed", zh="实际值"),
    "reason": Text(en="why now", zh="建单原因"),
    "due": Text(en="due", zh="期限"),
    "audit": Text(en="found by", zh="发现于"),
    "because": Text(en="because", zh="原因"),
    "by": Text(en="by", zh="依据"),
    "system": Text(en="system", zh="系统"),
    "ticket": Text(en="ticket", zh="工单"),
}
_TERMS: Mapping[str, Mapping[str, Text]] = {"severity": _SEVERITIES, "because": _ENDS}
"""Values that are words of ours."""

_TODO = Text(
    en=(
        "Put the device right under a change (storewarden harden plan shows how), or have the"
        " failure waived. This ticket is closed by the next audit that finds it right; closing"
        " it by hand changes nothing."
    ),
    zh=(
        "请通过变更单整改（storewarden harden plan 给出方案），或申请豁免。"
        "下一次审计确认合规后本工单自动关闭；手工关闭不改变结果。"
    ),
)


def ticket_of_drift(number: str, opened: Mapping[str, object], voice: Voice) -> TicketWords:
    """The ticket for a drift ticket, from the body of the entry that opened it."""
    language = voice.language
    kind, host = str(opened.get("kind", "")), str(opened.get("host", ""))
    subject = _subject(opened, language)
    shown = {name: _shown(name, opened, language) for name in _NAMES}
    lines = [f"{_NAMES[name].in_(language)}: {text}" for name, text in shown.items() if text]
    title = " ".join(f"{number} {host}: {subject}".split())
    return TicketWords(
        title=title if len(title) <= _TITLE else title[: _TITLE - 1] + "…",
        body="\n".join((*lines, "", _TODO.in_(language))),
        fields={
            "kind": kind,
            "risk": str(opened.get("severity", "")),
            "requester": "storewarden",
            "hosts": host,
        },
    )


def note_of_drift(event: Event, seal: str, voice: Voice) -> str:
    """The note for one entry of a drift ticket, whose hash is ``seal``."""
    language = voice.language
    happened = event.kind.removeprefix(_ABOUT)
    told = _HAPPENED.get(happened, Text(en=event.kind, zh=event.kind)).in_(language)
    shown = {} if happened == "opened" else {n: _shown(n, event.body, language) for n in _NAMES}
    lines = [f"{_NAMES[name].in_(language)}: {text}" for name, text in shown.items() if text]
    foot = Text(en="journal entry", zh="日志条目").in_(language)
    head = f"{local(event.at, voice.zone)}  {told}"
    return "\n".join((head, *lines, f"[{foot} {event.sequence}: {seal}]"))


def ends_drift(kind: str) -> bool:
    """Whether an entry of this kind ends the ticket."""
    return kind == f"{_ABOUT}closed"


def end_of_drift(event: Event, voice: Voice) -> str:
    """How the ticket ends, in a few words."""
    because = _shown("because", event.body, voice.language)
    return f"{because} ({event.body.get('by', '')})"


def _subject(opened: Mapping[str, object], language: str) -> str:
    """``A01 minimum length of passwords``, or what the ticket is about instead."""
    control, titles = str(opened.get("control", "")), opened.get("title")
    kind = KINDS.get(str(opened.get("kind", "")), KINDS["drift"]).in_(language)
    if not control:
        return kind
    title = _in(titles, language) if isinstance(titles, Mapping) else ""
    return f"{control} {title}".strip()


def _shown(name: str, body: Mapping[str, object], language: str) -> str:
    value = body.get(name)
    if value in (None, "", {}):
        return ""
    if name == "control":
        return _subject(body, language)
    if name in _TERMS:
        return _TERMS[name].get(str(value), Text(en=str(value), zh=str(value))).in_(language)
    if name == "reason" and isinstance(value, Mapping):
        return _in(value, language)
    if name == "value":
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
        return text if len(text) <= _VALUE else text[: _VALUE - 1] + "…"
    return " ".join(str(value).split())


def _in(texts: Mapping[str, object], language: str) -> str:
    return str(texts.get(language) or texts.get("en") or "")


def judged_words(event: Event) -> Words | None:
    """One message for all tickets of an audit; None when nothing was opened or closed."""
    opened, closed = _number(event, "opened"), _number(event, "closed")
    if not opened and not closed:
        return None
    overdue, still = _number(event, "overdue"), _number(event, "open")
    hosts = names(_listed(event, "hosts"))
    late = Text(en=f", {overdue} overdue", zh=f"，其中 {overdue} 张逾期")
    more = late if overdue else Text(en="", zh="")
    return Words(
        severity=Severity.WARNING if opened else Severity.INFO,
        label=Text(en="drift tickets", zh="偏离工单"),
        title=Text(
            en=f"{event.run}: {counted(opened, 'drift ticket')} opened, {closed} closed",
            zh=f"{event.run}：新建偏离工单 {opened} 张，关闭 {closed} 张",
        ),
        what=Text(
            en=f"{counted(still, 'drift ticket')} open{more.en}",
            zh=f"未关闭偏离工单 {still} 张{more.zh}",
        ),
        where=hosts if hosts.en else Text(en="the estate", zh="全部设备"),
        done=Text(en="recorded with their due dates", zh="已入账并给出期限"),
        next=Text(
            en="work them off, the most urgent first: storewarden drift list",
            zh="请按期限整改：storewarden drift list",
        ),
    )


def month_words(event: Event) -> Words:
    """A month was closed."""
    registered, compliant = _number(event, "registered"), _number(event, "compliant")
    unaudited = registered - _number(event, "audited")
    forced = [
        str(each.get("host"))
        for each in _rows(event, "devices")
        if each.get("standing") in ("bad2", "bad again")
    ]
    month = str(event.body.get("month", ""))
    share = f"{compliant} of {registered}"
    shown = names(forced)
    due = Text(
        en=f"to be fixed by force: {shown.en}" if forced else "no device is to be fixed by force",
        zh=f"须强制整改：{shown.zh}" if forced else "没有需要强制整改的设备",
    )
    return Words(
        severity=Severity.WARNING if forced else Severity.INFO,
        label=Text(en="month closed", zh="月度合规"),
        title=Text(
            en=f"compliance of {month}: {share}", zh=f"{month} 合规：{compliant}/{registered}"
        ),
        what=due,
        where=Text(
            en=f"{counted(registered, 'device')}, {unaudited} not audited that month",
            zh=f"{registered} 台设备，当月未审计 {unaudited} 台",
        ),
        done=Text(en="recorded for good", zh="已入账，不再变动"),
        next=Text(
            en=f"read the report: storewarden compliance --month {month}",
            zh=f"查看报告：storewarden compliance --month {month}",
        ),
    )


def forced_words(event: Event) -> Words:
    """A fix by force was planned for some devices, or could not be."""
    number, hosts = str(event.body.get("change", "")), names(_listed(event, "hosts"))
    month = str(event.body.get("month", ""))
    why = event.body.get("reason")
    reason = why if isinstance(why, Mapping) else {}
    done = Text(
        en=f"change {number}" if number else "no change was opened",
        zh=f"变更单 {number}" if number else "未建变更单",
    )
    return Words(
        severity=Severity.WARNING,
        label=Text(en="forced fix", zh="强制整改"),
        title=Text(
            en=f"forced fix after {month}: {hosts.en}", zh=f"{month} 后强制整改：{hosts.zh}"
        ),
        what=Text(en=_in(reason, "en"), zh=_in(reason, "zh")),
        where=hosts,
        done=done,
        next=Text(
            en=f"storewarden change show {number}" if number else "storewarden drift list",
            zh=f"storewarden change show {number}" if number else "storewarden drift list",
        ),
    )


def due_told(due: date, today: date) -> Text:
    """``in 3 days``, ``today``, ``2 days late``."""
    left = (due - today).days
    if left < 0:
        return Text(en=f"{counted(-left, 'day')} late", zh=f"逾期 {-left} 天")
    if left == 0:
        return Text(en="today", zh="今天到期")
    return Text(en=f"in {counted(left, 'day')}", zh=f"剩 {left} 天")


def _number(event: Event, name: str) -> int:
    value = event.body.get(name)
    return value if isinstance(value, int) else 0


def _listed(event: Event, name: str) -> Sequence[str]:
    value = event.body.get(name)
    return [str(each) for each in value] if isinstance(value, list | tuple) else []


def _rows(event: Event, name: str) -> Sequence[Mapping[str, object]]:
    value = event.body.get(name)
    listed = value if isinstance(value, list | tuple) else []
    return [each for each in listed if isinstance(each, Mapping)]
