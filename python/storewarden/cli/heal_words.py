# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts, rules and repairs as rows and stories for a terminal, in two languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from storewarden.domain.healing.events import STOREWARDEN
from storewarden.domain.healing.explain import recorded
from storewarden.domain.healing.pause import Pause
from storewarden.domain.healing.record import End, HostEnd, Occurrence, Repair
from storewarden.domain.healing.rule import Mode, Rule
from storewarden.domain.healing.target import Via
from storewarden.domain.healing.world import Standing
from storewarden.ports.ledger import JournalEntry
from storewarden.ports.reports import Language

HEADS = {
    "rules": {
        Language.EN: ("RULE", "ACTION", "ALERTS", "HOST", "MODE", "STANDING CHANGE", "RECORD"),
        Language.ZH: ("规则", "动作", "告警", "主机", "模式", "标准变更", "记录"),
    },
    "history": {
        Language.EN: ("RECEIVED", "ALERT", "HOST", "RULE", "STAGE", "WHY", "KEY"),
        Language.ZH: ("收到时间", "告警", "主机", "规则", "状态", "原因", "键"),
    },
}

STAGES = {
    "received": {Language.EN: "received", Language.ZH: "已接收"},
    "waiting": {Language.EN: "waiting", Language.ZH: "等待中"},
    "asking": {Language.EN: "waits for approval", Language.ZH: "等待批准"},
    "acting": {Language.EN: "being repaired", Language.ZH: "修复中"},
    "verifying": {Language.EN: "being verified", Language.ZH: "验证中"},
    "healed": {Language.EN: "healed", Language.ZH: "已自愈"},
    "observed": {Language.EN: "observed", Language.ZH: "仅观察"},
    "suppressed": {Language.EN: "suppressed", Language.ZH: "已抑制"},
    "refused": {Language.EN: "refused", Language.ZH: "已拒绝"},
    "escalated": {Language.EN: "a person has it", Language.ZH: "已转人工"},
    "gone": {Language.EN: "over by itself", Language.ZH: "已自行恢复"},
}
"""Every stage in words."""

_ENDS = {
    End.REPAIRED: ("repaired", "已修复"),
    End.HEALTHY: ("was healthy", "本来正常"),
    End.LOOKED: ("looked at", "仅检查"),
    End.ESCALATE: ("left to a person", "须人工处理"),
    End.NOT_WELL: ("not well, taken back", "未恢复，已回退"),
    End.FAILED: ("failed", "失败"),
    End.UNREACHABLE: ("not reachable", "无法连接"),
    End.NOT_BEGUN: ("not begun", "未开始"),
    End.UNKNOWN: ("unknown", "未知"),
}
_HAPPENED = {
    "arrived": ("arrived", "已到达"),
    "resolved": ("resolved", "来源报告已恢复"),
    "refired": ("fires again", "再次触发"),
    "decided": ("decided", "已决定"),
    "granted": ("granted", "已批准"),
    "denied": ("denied", "已拒绝修复"),
    "moved": ("moved", "状态变更"),
}
_VERDICTS = {
    "act": ("act", "执行修复"),
    "ask": ("ask", "请求批准"),
    "wait": ("wait", "等待"),
    "observe": ("observe", "仅观察"),
    "suppress": ("suppress", "抑制"),
    "refuse": ("refuse", "拒绝"),
    "escalate": ("escalate", "转人工"),
    "drop": ("drop", "放弃"),
}
_MODES = {
    Mode.OBSERVE: ("observe", "观察"),
    Mode.APPROVE: ("approve", "审批"),
    Mode.AUTO: ("auto", "自动"),
}
_VIA = {Via.NAME: ("name", "名称"), Via.ADDRESS: ("address", "地址"), Via.PLACE: ("place", "位置")}
_RESUMED = {
    "was": ("goes on", "已恢复"),
    "over": ("had run out already", "的暂停此前已到期"),
    "none": ("was not paused", "未暂停"),
}
_APPROVED = {
    Language.EN: "approved, it will be repaired next",
    Language.ZH: "已批准，即将修复",
}
_OFF = (" (off)", "（已停用）")
_SHORT = 12  # letters of a key that are shown; nobody has two alike
_WIDE = 60  # letters of a reason in a list


def rule_data(
    rules: Iterable[Rule],
    modes: Mapping[str, Mode],
    standings: Mapping[str, Standing],
    pauses: Iterable[Pause] = (),
) -> list[dict[str, str]]:
    """Per rule: what it answers, how far it may go, how its action did so far, what pauses it."""
    paused = {each.what for each in pauses}
    rows = []
    for rule in rules:
        standing = standings.get(rule.action, Standing())
        stops = [each for each in (f"rule:{rule.name}", f"action:{rule.action}") if each in paused]
        rows.append(
            {
                "rule": rule.name if rule.enabled else f"{rule.name} (off)",
                "action": rule.action,
                "alerts": ", ".join(map(str, rule.matchers)),
                "host": f"{rule.target.via.value} {rule.target.template}",
                "mode": _mode(rule, modes).value,
                "standing_change": _numbers(standing),
                "record": f"{standing.verified}/{standing.runs}",
                "paused": ", ".join(stops),
            }
        )
    return rows


def rule_rows(
    rules: Iterable[Rule],
    modes: Mapping[str, Mode],
    standings: Mapping[str, Standing],
    language: Language,
) -> list[list[str]]:
    """The same for a terminal."""
    chinese, rows = language is Language.ZH, []
    for rule in rules:
        standing = standings.get(rule.action, Standing())
        rows.append(
            [
                rule.name if rule.enabled else f"{rule.name}{_OFF[chinese]}",
                rule.action,
                ", ".join(map(str, rule.matchers)),
                f"{_VIA[rule.target.via][chinese]} {rule.target.template}",
                _MODES[_mode(rule, modes)][chinese],
                _numbers(standing),
                f"{standing.verified}/{standing.runs}",
            ]
        )
    return rows


def _numbers(standing: Standing) -> str:
    """The standing changes of an action, in the order in which they are taken for a host."""
    return (
        ", ".join(dict.fromkeys(filter(None, (standing.change, *standing.others.values())))) or "-"
    )


def _mode(rule: Rule, modes: Mapping[str, Mode]) -> Mode:
    """The lowest of what the rule and its action may do."""
    return min(rule.mode, modes.get(rule.action, Mode.OBSERVE), key=tuple(Mode).index)


def pause_lines(pauses: Iterable[Pause], language: Language, zone: ZoneInfo) -> list[str]:
    """One line per pause."""
    return [_pause(each, language, zone) for each in pauses]


def resumed_line(found: Mapping[str, Any], language: Language) -> str:
    """What taking a pause back has changed; ``found`` is the service's answer."""
    word = "over" if found.get("over") else "was" if found["was"] else "none"
    return f"{found['what']} {_RESUMED[word][language is Language.ZH]}"


def answer_line(found: Mapping[str, Any], language: Language) -> str:
    """Where an alert stands after a person's answer; ``found`` is the service's answer."""
    approved = found["stage"] == "asking" and found["granted"]
    said = _APPROVED if approved else STAGES[found["stage"]]
    return f"{found['key'][:_SHORT]} {found['name']}: {said[language]}"


def _pause(pause: Pause, language: Language, zone: ZoneInfo) -> str:
    until = f"{pause.until.astimezone(zone):%Y-%m-%d %H:%M}" if pause.until is not None else ""
    if language is Language.ZH:
        end = f"至 {until}" if until else "直至恢复"
        return f"已暂停：{pause.what}，{end}（{pause.by}：{pause.reason}）"
    end = f"until {until}" if until else "until somebody resumes it"
    return f"paused: {pause.what} {end} ({pause.by}: {pause.reason})"


def history_rows(
    occurrences: Iterable[Occurrence], language: Language, zone: ZoneInfo
) -> list[list[str]]:
    """One row per alert."""
    return [_row(each, language, zone) for each in occurrences]


def story(
    occurrence: Occurrence,
    entries: Sequence[JournalEntry],
    repair: Repair | None,
    language: str,
    zone: ZoneInfo,
) -> str:
    """One alert from its arrival to its end."""
    alert = occurrence.alert
    stage = STAGES[occurrence.stage.value][Language(language)]
    labels = ", ".join(f'{name}="{value}"' for name, value in sorted(alert.labels.items()))
    lines = [f"{alert.name}  {stage}", f"  {alert.source}  {labels}", ""]
    lines += [f"  {_clock(each.at, zone)}  {_said(each, language)}" for each in entries]
    told = recorded(occurrence, language)
    lines += ["", *(f"  {line}" for line in told)] if told else []
    if repair is not None:
        lines += ["", f"  {repair.id}  {repair.action}"]
        lines += [f"    {each.host}: {end_words(each, language)}" for each in repair.ends]
    return "\n".join(lines)


def _row(occurrence: Occurrence, language: Language, zone: ZoneInfo) -> list[str]:
    decision = occurrence.decision
    reason = decision.reasons[0] if decision is not None and decision.reasons else None
    why = "" if reason is None else reason.zh if language is Language.ZH else reason.en
    return [
        _clock(occurrence.received_at, zone),
        occurrence.alert.name,
        ", ".join(decision.hosts) if decision is not None else "",
        decision.rule if decision is not None else "",
        STAGES[occurrence.stage.value][language],
        why if len(why) <= _WIDE else why[: _WIDE - 1] + "…",
        occurrence.key[:_SHORT],
    ]


def _said(entry: JournalEntry, language: str) -> str:
    """One journal entry in a few words."""
    body, word, chinese = entry.body, entry.kind.removeprefix("alert "), language == "zh"
    told = _HAPPENED.get(word, (word, word))[chinese]
    colon = "：" if chinese else ": "
    decision = body.get("decision")
    if isinstance(decision, Mapping):
        verdict = str(decision.get("verdict"))
        return f"{told}{colon}{_VERDICTS.get(verdict, (verdict, verdict))[chinese]}"
    reason = body.get("reason_zh" if chinese else "reason") or body.get("reason")
    by = body.get("by")
    who = (f"（{by}）" if chinese else f" ({by})") if by and by != STOREWARDEN else ""
    stage = body.get("stage")
    if isinstance(stage, str) and stage in STAGES:
        told = STAGES[stage][Language(language)]
    return f"{told}{who}{colon}{reason}" if reason else f"{told}{who}"


def end_words(end: HostEnd, language: str) -> str:
    """How a repair came out on one host, and why."""
    chinese = language == "zh"
    why = (end.reason_zh or end.reason) if chinese else end.reason
    return f"{_ENDS[end.end][chinese]}  {why}".rstrip()


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%m-%d %H:%M:%S}"
