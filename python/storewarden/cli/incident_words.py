# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents in a terminal: a list that says what has to be done first, and one with everything.

Colours stand for clocks alone (red: a promise is broken; amber: it soon will be), and nothing is
told by a colour that is not told in words as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

import typer

from storewarden.cli.heal_words import STAGES, end_words
from storewarden.cli.printing import padded, printable
from storewarden.cli.tabular import table, widest
from storewarden.domain.healing.incident import Clock, Incident, IncidentState, Needs
from storewarden.domain.healing.record import Occurrence, Repair
from storewarden.domain.healing.rule import Impact, Kind
from storewarden.domain.maintenance.words import duration
from storewarden.flows.incident_view import ClockLook, IncidentLook, Mark
from storewarden.ports.reports import Language

type Pair = tuple[str, str]

HEAD: tuple[Pair, ...] = (
    ("NUMBER", "编号"),
    ("PRIO", "优先级"),
    ("STATE", "状态"),
    ("LEFT", "剩余时间"),
    ("SINCE", "开始时间"),
    ("WHAT", "故障"),
    ("WHERE", "位置"),
)
_LEAD = 5  # columns that stand below each other on every terminal
_HOSTS = 2  # hosts named in a list before "+n"
_MANY = 40  # names of one incident before "+n"
_LABEL = 11  # columns of the labels
_MINUTE = timedelta(minutes=1)
_KEY = 12  # letters of an alert's key

STATES: Mapping[IncidentState, Pair] = {
    IncidentState.OPEN: ("open", "未受理"),
    IncidentState.ANSWERED: ("in work", "处理中"),
    IncidentState.SOLVED: ("solved", "已解决"),
    IncidentState.CLOSED: ("closed", "已关闭"),
}
PRIORITIES: Mapping[Impact, Pair] = {
    Impact.HIGH: ("high", "高"),
    Impact.MEDIUM: ("medium", "中"),
    Impact.LOW: ("low", "低"),
}
_KINDS: Mapping[Kind, Pair] = {
    Kind.DOWN: ("service down", "服务中断"),
    Kind.DEGRADED: ("degraded", "性能下降"),
    Kind.SECURITY: ("security", "安全事件"),
}
_NEEDS: Mapping[Needs, Pair] = {
    Needs.NOBODY: ("a repair is on its way", "正在自动修复"),
    Needs.ANSWER: ("a yes or no to a repair: storewarden heal approve|deny",
                   "须批准或拒绝修复：storewarden heal approve|deny"),
    Needs.PERSON: ("a person has to do it", "须人工处理"),
}  # fmt: skip
_CLOCKS: Mapping[Clock, Pair] = {Clock.ANSWER: ("answer", "响应"), Clock.SOLVE: ("solve", "解决")}
_LABELS: Mapping[str, Pair] = {
    "state": ("state", "状态"),
    "needs": ("needs", "待办"),
    "answer": ("answer", "响应"),
    "solve": ("solve", "解决"),
    "closes": ("closes", "关闭"),
    "began": ("began", "开始"),
    "hosts": ("hosts", "主机"),
    "items": ("items", "配置项"),
    "dependents": ("depends", "影响"),
    "alerts": ("alerts", "告警"),
    "repairs": ("repairs", "修复"),
    "evidence": ("evidence", "证据"),
    "tickets": ("tickets", "工单"),
    "problem": ("problem", "问题单"),
    "story": ("story", "经过"),
}
_PHRASES: Mapping[str, Pair] = {
    "left": ("{clock} in {span}", "{clock}剩余 {span}"),
    "late": ("{clock} {span} late", "{clock}超时 {span}"),
    "closes_in": ("closes in {span}", "{span}后关闭"),
    "until": ("until {at}", "时限 {at}"),
    "kept": ("done {at}, in time", "已于 {at} 完成，未超时"),
    "missed": ("done {at}, {span} late", "已于 {at} 完成，超时 {span}"),
    "running": ("{span} left", "剩余 {span}"),
    "warned": ("only {span} left", "仅剩 {span}"),
    "breached": ("{span} late", "超时 {span}"),
    "has_it": ("{who} has it", "处理人 {who}"),
    "verified": ("verified", "已验证"),
    "unverified": ("not verified by machine", "未经自动验证"),
    "confirmed": ("confirmed by {who} {at}", "{who} 已于 {at} 确认"),
    "silently": ("at {at}, if nobody disputes it", "{at}（如无异议）"),
    "disputed": ("disputed or fired again: {count}", "异议或再次告警：{count} 次"),
    "more": ("and {count} more: storewarden heal history --rule {rule}",
             "另有 {count} 条：storewarden heal history --rule {rule}"),
    "alert_first": ("first alert {began}, opened {opened}", "首条告警 {began}，建单 {opened}"),
    "moment": ("less than 1 min", "不足 1 分钟"),
    "store": ("fault of store {name}", "门店 {name} 故障"),
    "storm": ("storm of {name}", "告警风暴：{name}"),
    "times": ("Times are {zone}.", "时间为 {zone}。"),
}  # fmt: skip
_INK = {Mark.WARNED: "yellow", Mark.BREACHED: "red", Mark.LATE: "red"}
_BELOW = "  "
_WORDS = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60]|[^\s\u2e80-\u9fff\uff00-\uff60]+\s*|\s+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How things are shown: in which language and zone, how wide, in colour or not."""

    language: str
    zone: tzinfo
    columns: int
    colour: bool = False

    def of(self, pair: Pair) -> str:
        """The word of the language."""
        return pair[self.language == "zh"]

    def say(self, phrase: str, /, **values: object) -> str:
        """A phrase."""
        # A blank stands between Chinese letters and a number, not between two of them.
        return self.of(_PHRASES[phrase]).format(**values).replace(" 不足", "不足")

    def at(self, moment: datetime) -> str:
        """A moment on the site's clock."""
        return f"{moment.astimezone(self.zone):%m-%d %H:%M}"

    def span(self, since: datetime, until: datetime) -> str:
        """How long, whichever came first."""
        length = abs(until - since)
        return duration(length, self.language) if length >= _MINUTE else self.say("moment")

    def ink(self, text: str, mark: Mark) -> str:
        """In the colour of a clock."""
        colour = _INK.get(mark)
        return typer.style(text, fg=colour) if self.colour and colour else text


def rows(looks: Sequence[IncidentLook], look: Look) -> str:
    """The list; where it does not fit, fewer hosts are named, and then what and where go below."""
    for hosts in (_HOSTS, 1):
        cells = [[look.of(each) for each in HEAD], *(_row(each, look, hosts) for each in looks)]
        lines = table(cells).splitlines()
        if widest("\n".join(lines)) <= look.columns:
            break
    else:
        lines = _below(cells, look.columns)
    return "\n".join((lines[0], *_inked(lines[1:], looks, cells[1:], look)))


def whole(found: IncidentLook, look: Look) -> str:
    """One incident with everything."""
    incident = found.incident
    about = (PRIORITIES[incident.priority], _KINDS[incident.kind])
    marks = {each.clock.value: each.mark for each in found.clocks if not incident.over}
    told = look.of(("({}, {})", "（{}，{}）")).format(*map(look.of, about))
    lines = [printable(f"{incident.number}  {_what(incident, look)}  {told}")]
    for name, section in _sections(found, look):
        below = _labelled(look.of(_LABELS[name]), section, look.columns)
        lines += [look.ink(line, marks[name]) if name in marks else line for line in below]
    return "\n".join((*lines, look.say("times", zone=look.zone)))


def _below(cells: Sequence[Sequence[str]], columns: int) -> list[str]:
    """Two lines for each incident."""
    heads = table([row[:_LEAD] for row in cells]).splitlines()
    lines = heads[:1]
    for head, row in zip(heads[1:], cells[1:], strict=True):
        about = "  ".join(each for each in row[_LEAD:] if each != "-")
        lines += [head, *(f"    {part}" for part in _wrapped(about, columns - 4))]
    return lines


def _row(found: IncidentLook, look: Look, hosts: int) -> list[str]:
    incident = found.incident
    return [
        incident.number,
        look.of(PRIORITIES[incident.priority]),
        look.of(STATES[incident.state]),
        _left(found, look),
        look.at(incident.began_at),
        printable(_what(incident, look)),
        printable(_where(incident.hosts, hosts)),
    ]


def _what(incident: Incident, look: Look) -> str:
    kind, _colon, rest = incident.name.partition(":")
    if kind in ("store", "storm"):
        return look.say(kind, name=rest)
    return incident.rule or rest or incident.name


def _where(hosts: Sequence[str], most: int) -> str:
    more = f" +{len(hosts) - most}" if len(hosts) > most else ""
    return f"{', '.join(hosts[:most])}{more}" or "-"


def _left(found: IncidentLook, look: Look) -> str:
    """Time until the next promise runs out, or since it did."""
    pressing = found.pressing
    if pressing is not None and not found.incident.over:
        name = "late" if pressing.mark is Mark.BREACHED else "left"
        span = look.span(found.at, pressing.promised)
        return look.say(name, clock=look.of(_CLOCKS[pressing.clock]), span=span)
    if found.closes_at is not None:
        return look.say("closes_in", span=look.span(found.at, max(found.closes_at, found.at)))
    return "-"


def _worst(found: IncidentLook) -> Mark:
    if found.breached:
        return Mark.BREACHED
    pressing = found.pressing
    return pressing.mark if pressing is not None else Mark.KEPT


def _inked(
    lines: Sequence[str],
    looks: Sequence[IncidentLook],
    cells: Sequence[Sequence[str]],
    look: Look,
) -> Iterator[str]:
    """The time left in its colour; layout is over, so that widths are right."""
    known = {row[0]: (found, row[3]) for found, row in zip(looks, cells, strict=True)}
    for line in lines:
        found, left = known.get(line.split(maxsplit=1)[0], (None, ""))
        if found is None or found.incident.over or line.startswith(" "):
            yield line
        else:
            yield line.replace(left, look.ink(left, _worst(found)), 1)


def _sections(found: IncidentLook, look: Look) -> Iterator[tuple[str, list[str]]]:
    """Label and lines; what has none is left out."""
    incident = found.incident
    yield "state", [_state(incident, look)]
    waiting = incident.state in (IncidentState.OPEN, IncidentState.ANSWERED)
    yield "needs", [look.of(_NEEDS[found.needs])] if waiting and not incident.holder else []
    for clock in found.clocks:
        yield clock.clock.value, [_clock(clock, found, look)]
    yield "closes", list(_closes(found, look))
    began, opened = look.at(incident.began_at), look.at(incident.opened_at)
    yield "began", [look.say("alert_first", began=began, opened=opened)]
    yield "hosts", _joined(incident.hosts)
    yield "items", _joined(incident.items)
    yield "dependents", _joined(incident.dependents)
    yield "alerts", list(_alerts(found, look))
    yield "repairs", [line for each in found.repairs for line in _repair(each, look)]
    yield "evidence", list(found.evidence)
    yield "tickets", [f"{name} {ticket}" for name, ticket in sorted(incident.tickets.items())]
    yield "problem", [incident.problem] if incident.problem else []
    yield "story", list(_story(incident, look))


def _joined(names: Sequence[str]) -> list[str]:
    """One line; of a storm's thousands the first."""
    more = f" +{len(names) - _MANY}" if len(names) > _MANY else ""
    return [f"{', '.join(names[:_MANY])}{more}"] if names else []


def _state(incident: Incident, look: Look) -> str:
    parts = [look.of(STATES[incident.state])]
    if incident.holder and not incident.over:
        parts.append(look.say("has_it", who=incident.holder))
    if incident.solved_at is not None:
        parts.append(look.say("verified" if incident.verified else "unverified"))
    if incident.confirmed_at is not None:
        at = look.at(incident.confirmed_at)
        parts.append(look.say("confirmed", who=incident.confirmed_by, at=at))
    if incident.disputes:
        parts.append(look.say("disputed", count=incident.disputes))
    return ("；" if look.language == "zh" else "; ").join(parts)


def _clock(clock: ClockLook, found: IncidentLook, look: Look) -> str:
    """What was promised, and what became of it."""
    until = look.say("until", at=look.at(clock.promised))
    joint = "，" if look.language == "zh" else ", "
    if clock.actual is not None:
        late = look.span(clock.promised, clock.actual)
        name = "kept" if clock.mark is Mark.KEPT else "missed"
        said = look.say(name, at=look.at(clock.actual), span=late)
    elif found.incident.over:
        return until
    else:
        said = look.say(clock.mark.value, span=look.span(found.at, clock.promised))
    return f"{until}{joint}{said}"


def _closes(found: IncidentLook, look: Look) -> Iterator[str]:
    closed = found.incident.closed_at
    if closed is not None:
        yield look.at(closed)
    elif found.closes_at is not None:
        yield look.say("silently", at=look.at(found.closes_at))


def _alerts(found: IncidentLook, look: Look) -> Iterator[str]:
    for each in found.alerts:
        yield _alert(each, look)
    more = len(found.incident.occurrences) - len(found.alerts)
    if more > 0:
        yield look.say("more", count=more, rule=found.incident.rule or "NAME")


def _alert(each: Occurrence, look: Look) -> str:
    decision = each.decision
    hosts = f"  {', '.join(decision.hosts)}" if decision is not None and decision.hosts else ""
    stage = STAGES[each.stage.value][Language(look.language)]
    return f"{each.key[:_KEY]}  {each.alert.name}{hosts}  {stage}"


def _repair(each: Repair, look: Look) -> Iterator[str]:
    yield f"{each.id}  {each.action}"
    for end in each.ends:
        yield f"  {end.host}: {end_words(end, look.language)}"


def _story(incident: Incident, look: Look) -> Iterator[str]:
    for entry in incident.timeline:
        told = entry.zh if look.language == "zh" else entry.en
        yield f"{look.at(entry.at)}  {padded(entry.by, _LABEL)}  {told}"


def _labelled(label: str, lines: Sequence[str], columns: int) -> Iterator[str]:
    """Lines behind a label; long ones go on below, a little to the right of where they began."""
    for number, line in enumerate(lines):
        begin = padded(label if number == 0 else "", _LABEL)
        for place, part in enumerate(_wrapped(line, columns - _LABEL - 2)):
            yield f"  {begin if place == 0 else ' ' * _LABEL}{part}".rstrip()


def _wrapped(text: str, columns: int) -> Iterator[str]:
    """Broken between words, or between Chinese letters."""
    line = ""
    for word in _WORDS.findall(printable(text)):
        if line and widest(line) + widest(word.rstrip()) > columns:
            yield line.rstrip()
            line = _BELOW
        line += word
    yield line.rstrip()


__all__ = ["STATES", "Look", "rows", "whole"]
