# SPDX-License-Identifier: GPL-3.0-or-later
"""What people have to hear of incidents and problems.

Told is when somebody has to act, when a promise runs out or is broken, and when it is well again; a
fault of a thousand alerts is one incident, so it is one message. Works on journal entries alone, as
everything of the outbox does, and on what the incident is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from storewarden.domain.outbox.incident_lines import INCIDENT, PROBLEM, Body, same, story_line
from storewarden.domain.outbox.notice import Event, IncidentFacts, Severity, Text, Words
from storewarden.domain.outbox.places import names

_URGENT = "high"


def needs_incident(kind: str) -> bool:
    """Whether telling entries of this kind takes their incident."""
    return kind.startswith(INCIDENT) and kind in _LOUD


def incident_words(event: Event, facts: IncidentFacts | None) -> Words | None:
    """What people have to hear of an entry; None for most of them. ``facts`` are those of the
    entry's incident as it stands."""
    found = _LOUD.get(event.kind)
    loud = found(event.body, facts) if found is not None else None
    if loud is None:
        return None
    severity, label, action = loud
    line = story_line(event.kind, event.body) or label
    place = _place(event, facts)
    show = f"storewarden incident show {_shown(event)}"
    return Words(
        severity=severity,
        label=label,
        title=Text(
            en=f"{event.run}: {label.en}: {line.en}", zh=f"{event.run}：{label.zh}：{line.zh}"
        ),
        what=line,
        where=place,
        done=Text(en="recorded in the ledger and on its ticket", zh="已记入台账和工单"),
        next=Text(en=f"{action.en} ({show})", zh=f"{action.zh}（{show}）"),
    )


type _Loud = tuple[Severity, Text, Text] | None
_LOOK = Text(en="read it", zh="请查看")


def _needed(body: Body, facts: IncidentFacts | None) -> _Loud:
    """Somebody has to act: told as soon as it is known, at once when it matters most."""
    priority = str(body.get("priority") or (facts.priority if facts else ""))
    severity = Severity.URGENT if priority == _URGENT else Severity.WARNING
    needs = body.get("needs")
    if needs == "person":
        label = Text(en="a person has to act", zh="须人员处理")
        return (
            severity,
            label,
            Text(en="take it: storewarden incident take", zh="请受理：storewarden incident take"),
        )
    if needs == "answer":
        label = Text(en="a repair waits for a yes", zh="修复待批准")
        return (
            severity,
            label,
            Text(
                en="say yes or no: storewarden heal approve|deny",
                zh="请批准或拒绝：storewarden heal approve|deny",
            ),
        )
    return None


def _warned(_body: Body, _facts: IncidentFacts | None) -> _Loud:
    return Severity.WARNING, Text(en="time is running out", zh="时限将到"), _LOOK


def _breached(_body: Body, facts: IncidentFacts | None) -> _Loud:
    urgent = facts is not None and facts.priority == _URGENT
    severity = Severity.URGENT if urgent else Severity.WARNING
    return severity, Text(en="not in time", zh="超时"), _LOOK


def _well(_body: Body, _facts: IncidentFacts | None) -> _Loud:
    confirm = Text(
        en="confirm or dispute it: storewarden incident confirm|dispute",
        zh="请确认或提出异议：storewarden incident confirm|dispute",
    )
    return Severity.INFO, Text(en="incident solved", zh="事件已解决"), confirm


def _disputed(_body: Body, _facts: IncidentFacts | None) -> _Loud:
    return Severity.WARNING, Text(en="incident not solved", zh="事件未解决"), _LOOK


def _cause(body: Body, _facts: IncidentFacts | None) -> _Loud:
    find = Text(en="find the cause", zh="请查找根本原因")
    if body.get("major"):
        return Severity.URGENT, Text(en="major problem", zh="重大问题"), find
    return Severity.WARNING, Text(en="problem", zh="问题"), find


def _worse(body: Body, facts: IncidentFacts | None) -> _Loud:
    return _cause(body, facts) if body.get("now_major") else None


_LOUD: Mapping[str, Callable[[Body, IncidentFacts | None], _Loud]] = {
    INCIDENT + "opened": _needed,
    INCIDENT + "noted": _needed,
    INCIDENT + "warned": _warned,
    INCIDENT + "breached": _breached,
    INCIDENT + "solved": _well,
    INCIDENT + "disputed": _disputed,
    PROBLEM + "opened": _cause,
    PROBLEM + "grew": _worse,
}


def _shown(event: Event) -> str:
    """The number that can be shown: a problem is looked at in the last of its incidents."""
    found = event.body.get("incidents") if event.kind.startswith(PROBLEM) else None
    return str(found[-1]) if isinstance(found, list | tuple) and found else event.run


def _place(event: Event, facts: IncidentFacts | None) -> Text:
    """The hosts as they are now, or the fault's name."""
    if facts is not None and facts.hosts:
        shown = names(facts.hosts)
        return Text(en=f"{facts.name}: {shown.en}", zh=f"{facts.name}：{shown.zh}")
    return same((facts.name if facts else "") or event.body.get("name") or event.run)
