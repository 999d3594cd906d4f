# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened to an incident or a problem, in one line: for tickets, and for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from storewarden.domain.outbox.notice import Text
from storewarden.domain.outbox.places import counted

INCIDENT, PROBLEM = "incident ", "problem "
"""What every kind of entry of an incident, and of a problem, begins with."""

_NAMED = 50  # names in a line; the ledger has the rest

type Body = Mapping[str, Any]

PRIORITIES: Mapping[str, Text] = {
    "high": Text(en="high", zh="高"),
    "medium": Text(en="medium", zh="中"),
    "low": Text(en="low", zh="低"),
}
KINDS: Mapping[str, Text] = {
    "down": Text(en="service down", zh="服务中断"),
    "degraded": Text(en="service degraded", zh="性能下降"),
    "security": Text(en="security", zh="安全事件"),
}
CLOCKS: Mapping[str, Text] = {
    "answer": Text(en="answer", zh="响应"),
    "solve": Text(en="solve", zh="解决"),
}
HAPPENED: Mapping[str, Text] = {
    "opened": Text(en="opened", zh="建单"),
    "joined": Text(en="more alerts", zh="新增告警"),
    "answered": Text(en="taken up", zh="受理"),
    "noted": Text(en="noted", zh="记录"),
    "solved": Text(en="solved", zh="解决"),
    "confirmed": Text(en="confirmed by the business", zh="业务确认"),
    "disputed": Text(en="not solved", zh="未解决"),
    "warned": Text(en="time is running out", zh="时限将到"),
    "breached": Text(en="not in time", zh="超时"),
    "closed": Text(en="closed", zh="关闭"),
    "traced": Text(en="problem", zh="问题"),
    "grew": Text(en="it came again", zh="再次发生"),
    "mirrored": Text(en="ticket opened", zh="已建工单"),
}


def is_incident_entry(kind: str) -> bool:
    """Whether an entry is about an incident or a problem."""
    return kind.startswith((INCIDENT, PROBLEM))


def story_line(kind: str, body: Body) -> Text | None:
    """What an entry tells, in one line; None when its kind says everything."""
    if kind == PROBLEM + "closed":
        since = str(body.get("since", ""))[:10]
        return Text(en=f"the fault has not come since {since}", zh=f"自 {since} 起未再发生")
    teller = _LINES.get(word_of(kind))
    return teller(body) if teller is not None else None


def _joined(body: Body) -> Text:
    many = len(body.get("occurrences") or ())
    return Text(en=f"{counted(many, 'more alert')} of the fault", zh=f"同一故障新增 {many} 条告警")


def _answered(body: Body) -> Text | None:
    repair = str(body.get("repair", ""))
    return Text(en=f"repair {repair} began", zh=f"修复 {repair} 已开始") if repair else None


def _solved(body: Body) -> Text:
    verified = body.get("verified")
    seen = Text(en="verified", zh="已验证") if verified else Text(en="not verified", zh="未验证")
    how = str(body.get("how", ""))
    how_zh = str(body.get("how_zh", "")) or how
    return Text(
        en=f"{seen.en}; {how}" if how else seen.en, zh=f"{seen.zh}；{how_zh}" if how else seen.zh
    )


def _clock(body: Body) -> Text:
    clock = CLOCKS.get(str(body.get("clock")), same(body.get("clock")))
    return Text(en=f"time to {clock.en}", zh=f"{clock.zh}时限")


def _closed(body: Body) -> Text:
    if body.get("silent"):
        return Text(en="nobody objected", zh="无异议")
    return Text(en="solved and confirmed", zh="已解决并确认")


def _again(body: Body) -> Text:
    times, major = body.get("times"), body.get("now_major")
    more = Text(en="; a major problem now", zh="；升级为重大问题") if major else Text(en="", zh="")
    told = listed(body.get("incidents"))
    return Text(en=f"{times} times: {told}{more.en}", zh=f"共 {times} 次：{told}{more.zh}")


def _mirrored(body: Body) -> Text:
    told = f"{body.get('system')} {body.get('ticket')}"
    return Text(en=told, zh=told)


_LINES: Mapping[str, Callable[[Body], Text | None]] = {
    "opened": lambda body: _again(body) if "times" in body else summary_of(body),
    "joined": _joined,
    "answered": _answered,
    "noted": lambda body: Text(en=str(body.get("en", "")), zh=str(body.get("zh", ""))),
    "solved": _solved,
    "disputed": lambda body: same(body.get("why")),
    "warned": _clock,
    "breached": _clock,
    "closed": _closed,
    "traced": lambda body: same(body.get("problem")),
    "grew": _again,
    "mirrored": _mirrored,
}


def word_of(kind: str) -> str:
    return kind.removeprefix(INCIDENT).removeprefix(PROBLEM)


def summary_of(body: Body) -> Text:
    said = body.get("summary")
    if isinstance(said, Mapping):
        return Text(en=str(said.get("en", "")), zh=str(said.get("zh", "")))
    return same(body.get("name"))


def listed(value: object) -> str:
    found: Sequence[str] = [str(each) for each in value] if isinstance(value, list | tuple) else []
    rest = len(found) - _NAMED
    return ", ".join(found[:_NAMED]) + (f" (+{rest})" if rest > 0 else "")


def same(value: object) -> Text:
    text = " ".join(str(value or "").split())
    return Text(en=text, zh=text)
