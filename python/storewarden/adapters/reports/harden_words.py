# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of hardening reports: (English, Chinese), side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storewarden.domain.change.clauses import STATES
from storewarden.ports.reports import Language

type Pair = tuple[str, str]

WORDS: Mapping[str, Pair] = {
    "title_plan": ("Hardening plan", "加固方案"),
    "title_fix": ("Hardening", "加固结果"),
    "title_undo": ("Undo of a hardening", "加固回滚"),
    "title_status": ("What was done on {change} ({state})", "{change} 已执行的操作（{state}）"),
    "change": ("change", "变更"),
    "session": ("session", "批次"),
    "by": ("by", "执行人"),
    "hosts": ("hosts", "主机"),
    "host": ("Host", "主机"),
    "group": ("Group", "组"),
    "control": ("Control", "检查项"),
    "risk": ("Risk", "风险"),
    "now": ("Now", "当前"),
    "after": ("After", "加固后"),
    "colon": (": ", "："),
    "cannot": ("Cannot be fixed", "无法修复"),
    "does": ("Restarts, reloads", "重启／重载"),
    "lockout": ("Could lock out", "可能锁定"),
    "outcome": ("Outcome", "结果"),
    "point": ("Restore point", "恢复点"),
    "reason": ("Reason", "原因"),
    "what": ("What", "位置"),
    "before": ("Before", "之前"),
    "score": ("effective score", "有效得分"),
    "score_now": ("now {now}, expected after {after}", "当前 {now}，预计加固后 {after}"),
    "score_moved": ("{before} -> {after}", "{before} → {after}"),
    "none": ("none", "无"),
    "needs": ("time needed, undo included: {minutes} min", "所需时间（含回滚）：{minutes} 分钟"),
    "max_risk": ("fixes up to {risk}", "修复风险不高于 {risk}"),
    "restart": ("restart {units}", "重启 {units}"),
    "reload": ("reload {units}", "重载 {units}"),
    "fixes": ("{count} to fix", "待修复 {count}"),
    "no_fixes": ("nothing to fix", "无需修复"),
    "not_fixed": ("Not fixed", "不修复"),
    "why_fix": ("to fix", "待修复"),
    "why_pass": ("as required", "达标"),
    "why_na": ("not applicable", "不适用"),
    "why_error": ("could not look", "无法检查"),
    "why_attested": ("to be attested by a person", "须人工确认"),
    "why_manual": ("only a person can fix it", "只能人工修复"),
    "why_waived": ("waived until {until}", "豁免至 {until}"),
    "why_risk": ("riskier than {risk}", "风险高于 {risk}"),
    "outcome_planned": ("planned", "计划"),
    "outcome_unchanged": ("unchanged", "无变化"),
    "outcome_fixed": ("fixed", "已修复"),
    "outcome_refused": ("refused", "拒绝"),
    "outcome_undone": ("undone", "已回滚"),
    "outcome_lost": ("lost", "失联"),
    "outcome_failed": ("failed", "失败"),
    "outcome_restored": ("taken back", "已恢复"),
    "outcome_residue": ("taken back in part", "部分恢复"),
    "state_nothing": ("nothing to do", "无需操作"),
    "state_answered": ("", ""),
    "state_not audited": ("not audited", "未审计"),
    "state_skipped": ("not touched", "未操作"),
    "state_unreachable": ("unreachable", "无法连接"),
    "state_failed": ("failed", "失败"),
    "state_unknown": ("unknown", "状态未知"),
    "stands_well": ("as required", "达标"),
    "stands_missed": ("not fixed", "未修复"),
    "stands_untouched": ("not touched", "未操作"),
    "stands_open": ("OPEN: nobody knows", "状态未知，须查看"),
    "back_well": ("as it was", "已恢复原状"),
    "back_missed": ("not taken back", "未回滚"),
    "back_untouched": ("not touched", "未操作"),
    "back_open": ("OPEN: nobody knows", "状态未知，须查看"),
    "restored_after": ("restored after {seconds} s", "{seconds} 秒后恢复"),
    "same_after": (
        "The audit afterwards equals the one before the change ({audit}).",
        "回滚后的审计与变更前（{audit}）一致。",
    ),
    "differences": ("Not as before the change ({count})", "与变更前不同（{count}）"),
    "difference": ("{host} {control}: {before} -> {now}", "{host} {control}：{before} → {now}"),
    "left_over": ("Hosts that still hold fixes: {hosts}", "仍保留加固内容的主机：{hosts}"),
    "interrupted": (
        "Stopped early. Hosts under way have ended or take back by themselves what was not "
        "confirmed.",
        "提前停止。进行中的主机已完成；未确认的内容由主机自行回滚。",
    ),
    "not_compared": ("Not compared with the audit before.", "未与之前的审计比较。"),
    "records": ("Hosts that took back by themselves", "自行回滚的主机"),
    "troubles": ("Troubles", "问题"),
    "no_sessions": ("nothing was done on it yet", "尚未执行任何操作"),
    "open_session": ("not ended: under way, or cut off", "未结束：进行中或已中断"),
    "deed_fix": ("hardening", "加固"),
    "deed_undo": ("undo", "回滚"),
    "where_now": ("Where the hosts are now", "主机现状"),
    "verified": ("verdicts {moved} of {all} better", "{all} 项中 {moved} 项好转"),
    "verdict_pass": ("pass", "通过"),
    "verdict_fail": ("fail", "不通过"),
    "verdict_na": ("not applicable", "不适用"),
    "verdict_error": ("error", "错误"),
    "verdict_manual": ("manual", "人工"),
    "more": ("{count} more", "另有 {count}"),
    "still": ("still failing afterwards: {controls}", "加固后仍不通过：{controls}"),
}
"""Every text by its key."""


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language."""

    language: Language

    def __getitem__(self, key: str) -> str:
        return WORDS[key][self.language is Language.ZH]

    def __call__(self, key: str, **values: object) -> str:
        """A text with its blanks filled."""
        return self[key].format(**values)

    def state(self, state: str) -> str:
        """A change's state as people say it."""
        return STATES.get(state, state) if self.language is Language.ZH else state

    def told(self, texts: Mapping[str, str]) -> str:
        """The text of a host in this language, else in English."""
        return texts.get(self.language.value) or texts.get("en", "")
