# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts, rules and repairs as rows and stories for a terminal, in two languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from storewarden.domain.healing.explain import recorded
from storewarden.domain.healing.record import End, Occurrence, Repair
from storewarden.domain.healing.rule import Mode, Rule
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
_SHORT = 12  # letters of a key that are shown; nobody has two alike
_WIDE = 60  # letters of a reason in a list


def rule_rows(
    rules: Iterable[Rule], modes: Mapping[str, Mode], standings: Mapping[str, Standing]
) -> list[dict[str, str]]:
    """Per rule: what it answers, how far it may go, and how its action did so far."""
    rows = []
    for rule in rules:
        standing = standings.get(rule.action, Standing())
        lowest = min(rule.mode, modes.get(rule.action, Mode.OBSERVE), key=tuple(Mode).index)
        rows.append(
            {
                "rule": rule.name if rule.enabled else f"{rule.name} (off)",
                "action": rule.action,
                "alerts": ", ".join(map(str, rule.matchers)),
                "host": f"{rule.target.via.value} {rule.target.template}",
                "mode": lowest.value,
                "standing_change": standing.change or "-",
                "record": f"{standing.verified}/{standing.runs}",
            }
        )
    return rows


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
        lines += [f"    {each.host}: {_end(each.end, language)}  {_why(each, language)}".rstrip()
                  for each in repair.ends]  # fmt: skip
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
    body, word = entry.body, entry.kind.removeprefix("alert ")
    decision = body.get("decision")
    if isinstance(decision, Mapping):
        return f"{word}: {decision.get('verdict')}"
    reason = body.get("reason_zh" if language == "zh" else "reason") or body.get("reason")
    by = body.get("by")
    who = f" ({by})" if by and by != "storewarden" else ""
    stage = body.get("stage")
    if isinstance(stage, str) and stage in STAGES:
        word = STAGES[stage][Language(language)]
    return f"{word}{who}: {reason}" if reason else f"{word}{who}"


def _end(end: End, language: str) -> str:
    return _ENDS[end][language == "zh"]


def _why(end: object, language: str) -> str:
    en, zh = getattr(end, "reason", ""), getattr(end, "reason_zh", "")
    return str(zh or en) if language == "zh" else str(en)


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%m-%d %H:%M:%S}"
