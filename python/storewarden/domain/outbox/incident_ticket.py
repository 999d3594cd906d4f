# SPDX-License-Identifier: GPL-3.0-or-later
"""The tickets of incidents and problems: a copy of what the journal says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from storewarden.domain.outbox.incident_lines import (
    CLOCKS,
    HAPPENED,
    INCIDENT,
    KINDS,
    PRIORITIES,
    PROBLEM,
    Body,
    listed,
    same,
    story_line,
    summary_of,
    word_of,
)
from storewarden.domain.outbox.notice import Event, Text
from storewarden.domain.outbox.places import moment, stamped
from storewarden.domain.outbox.ticket import TicketWords, Voice, local

_TITLE = 200
_INCIDENT_TODO = Text(
    en=(
        "This ticket is a copy: take, solve, confirm or dispute the incident with storewarden"
        " incident take|solve|confirm|dispute. It is closed by itself when it is verified and"
        " confirmed, or when nobody objects."
    ),
    zh=(
        "本工单为副本：请使用 storewarden incident take|solve|confirm|dispute 受理、解决、确认或"
        "提出异议。验证并确认后，或无异议期满后自动关闭。"
    ),
)
_PROBLEM_TODO = Text(
    en=(
        "The same fault keeps coming: look for its cause and remove it under a change. This ticket"
        " is closed when the fault has not come again for long enough."
    ),
    zh="同一故障反复发生：请查找根本原因，并通过变更单消除。故障在足够长时间内不再发生后自动关闭。",
)


def ticket_of_incident(
    number: str, opened: Body, promised: Mapping[str, object], voice: Voice
) -> TicketWords:
    """The ticket of an incident, from the body of the entry that opened it; ``promised`` maps a
    clock to the moment until when."""
    language = voice.language
    priority = PRIORITIES.get(str(opened.get("priority")), same(opened.get("priority")))
    kind = KINDS.get(str(opened.get("kind")), same(opened.get("kind")))
    lines = [
        _line(Text(en="priority", zh="优先级"), priority.in_(language)),
        _line(Text(en="kind", zh="类型"), kind.in_(language)),
        _line(Text(en="fault", zh="故障"), str(opened.get("name", ""))),
        _line(Text(en="rule", zh="规则"), str(opened.get("rule", ""))),
        _line(Text(en="began", zh="开始于"), _local(opened.get("began_at"), voice)),
        *(
            _line(_until(clock), _local(promised.get(clock), voice))
            for clock in CLOCKS
        ),
        _line(Text(en="hosts", zh="设备"), listed(opened.get("hosts"))),
        _line(Text(en="configuration items", zh="配置项"), listed(opened.get("items"))),
        _line(_DEPENDENTS, listed(opened.get("dependents"))),
        _line(Text(en="alerts", zh="告警数"), str(len(opened.get("occurrences") or ()))),
        _line(Text(en="why", zh="原因"), summary_of(opened).in_(language)),
    ]  # fmt: skip
    return TicketWords(
        title=_cut(f"{number} {opened.get('name', '')}: {summary_of(opened).in_(language)}"),
        body="\n".join((*(each(language) for each in lines if each(language)), "",
                        _INCIDENT_TODO.in_(language))),
        fields={
            "kind": "incident",
            "risk": str(opened.get("priority", "")),
            "requester": "storewarden",
            "hosts": listed(opened.get("hosts")),
        },
    )  # fmt: skip


_DEPENDENTS = Text(en="what depends on them", zh="受影响的配置项")


def ticket_of_problem(number: str, opened: Body, voice: Voice) -> TicketWords:
    """The ticket of a problem, from the body of the entry that opened it."""
    language, name = voice.language, str(opened.get("name", ""))
    major = Text(en="major problem", zh="重大问题") if opened.get("major") else _PROBLEM
    lines = [
        _line(Text(en="fault", zh="故障"), name),
        _line(Text(en="came", zh="发生次数"), str(opened.get("times", ""))),
        _line(Text(en="incidents", zh="事件"), listed(opened.get("incidents"))),
    ]
    return TicketWords(
        title=_cut(f"{number} {major.in_(language)}: {name}"),
        body="\n".join((*(each(language) for each in lines), "", _PROBLEM_TODO.in_(language))),
        fields={
            "kind": "problem",
            "risk": "high" if opened.get("major") else "medium",
            "requester": "storewarden",
            "hosts": "",
        },
    )


_PROBLEM = Text(en="problem", zh="问题")


def note_of_incident(event: Event, seal: str, voice: Voice) -> str:
    """The note for one entry of an incident or a problem, whose hash is ``seal``."""
    language, word = voice.language, word_of(event.kind)
    by = str(event.body.get("by", ""))
    who = f" ({by})" if by and by != "storewarden" else ""
    told = HAPPENED.get(word, same(event.kind)).in_(language)
    head = f"{local(event.at, voice.zone)}  {told}{who}"
    more = story_line(event.kind, event.body)
    foot = Text(en="journal entry", zh="日志条目").in_(language)
    evidence = listed(event.body.get("evidence"))
    proof = [f"{Text(en='evidence', zh='证据').in_(language)}: {evidence}"] if evidence else []
    said = [more.in_(language)] if more is not None and more.en else []
    return "\n".join((head, *said, *proof, f"[{foot} {event.sequence}: {seal}]"))


def ends_incident(kind: str) -> bool:
    """Whether an entry of this kind ends the ticket of an incident or a problem."""
    return kind in (INCIDENT + "closed", PROBLEM + "closed")


def end_of_incident(event: Event, voice: Voice) -> str:
    """How the ticket ends, in a few words."""
    return (story_line(event.kind, event.body) or HAPPENED["closed"]).in_(voice.language)


def _until(clock: str) -> Text:
    told = CLOCKS[clock]
    return Text(en=f"to {told.en} until", zh=f"{told.zh}期限")


def _local(value: object, voice: Voice) -> str:
    at = stamped(value)
    return moment(at, voice.zone).in_(voice.language) if at is not None else ""


def _line(name: Text, value: str) -> Callable[[str], str]:
    return lambda language: f"{name.in_(language)}: {value}" if value else ""


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE else line[: _TITLE - 1] + "…"
