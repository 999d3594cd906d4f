# SPDX-License-Identifier: GPL-3.0-or-later
"""The words in which changes are shown in a terminal: (English, Chinese), side by side.

The values of the record (states, kinds) stay English words in JSON; here they are what an
operator says. The Chinese terms are those of tickets and notifications.
"""

from __future__ import annotations

from collections.abc import Mapping

type Pair = tuple[str, str]

LABELS: Mapping[str, Pair] = {
    "state": ("state", "状态"),
    "next": ("next", "下一步"),
    "kind": ("kind", "类型"),
    "requester": ("asked for", "申请"),
    "owner": ("owner", "负责人"),
    "window": ("window", "窗口"),
    "items": ("items", "配置项"),
    "reason": ("reason", "原因"),
    "plan": ("plan", "方案"),
    "rollback": ("rollback", "回滚方案"),
    "standing": ("standing", "常设"),
    "approvals": ("approvals", "审批"),
    "override": ("override", "例外"),
    "steps": ("key steps", "关键步骤"),
    "debts": ("debts", "欠项"),
    "evidence": ("evidence", "证据"),
    "tickets": ("tickets", "工单"),
    "outcome": ("outcome", "结果"),
    "history": ("history", "历史"),
    "work": ("work", "实施"),
    "said": ("said", "说明"),
}

STATES: Mapping[str, Pair] = {
    "requested": ("requested", "待审批"),
    "approved": ("approved", "已批准"),
    "rejected": ("rejected", "已驳回"),
    "cancelled": ("cancelled", "已取消"),
    "in progress": ("in progress", "实施中"),
    "paused": ("paused", "已暂停"),
    "done": ("done", "已实施"),
    "closed": ("closed", "已关闭"),
}

VALUES: Mapping[str, Pair] = {
    **STATES,
    "standard": ("standard", "标准变更"),
    "emergency": ("emergency", "紧急变更"),
    "major": ("major", "重大变更"),
    "minor": ("minor", "一般变更"),
    "low": ("low risk", "低风险"),
    "medium": ("medium risk", "中风险"),
    "high": ("high risk", "高风险"),
    "successful": ("successful", "成功"),
    "rolled back": ("rolled back", "已回滚"),
    "failed": ("failed", "失败"),
    "partial": ("partial", "部分完成"),
    "approval": ("approval", "补审批"),
    "test evidence": ("test evidence", "补测试证据"),
    "paperwork": ("paperwork", "补文档"),
    "items": ("configuration items", "未完成的配置项"),
    "test": ("test", "测试"),
    "audit": ("audit", "审计"),
    "verification": ("verification", "验证"),
    "other": ("other", "其他"),
}

EVENTS: Mapping[str, Pair] = {
    "opened": ("opened", "提出"),
    "plan written": ("wrote the plan", "更新方案"),
    "approved": ("approved", "批准"),
    "approvals complete": ("approvals complete", "审批完成"),
    "rejected": ("rejected", "驳回"),
    "refused": ("refused", "操作被拒绝"),
    "approval expired": ("approval expired", "审批过期"),
    "cancelled": ("cancelled", "取消"),
    "started": ("started the work", "开始实施"),
    "paused": ("paused", "暂停"),
    "resumed": ("resumed", "继续"),
    "step done": ("did a step", "步骤完成"),
    "step checked": ("checked a step", "复核步骤"),
    "noted": ("noted", "备注"),
    "evidence attached": ("attached evidence", "附上证据"),
    "finished": ("finished the work", "实施结束"),
    "closed": ("closed", "关闭"),
    "owes": ("a debt came up", "产生欠项"),
    "debt settled": ("debt settled", "欠项已补"),
    "reminded": ("reminded", "催办"),
    "standing run": ("ran", "执行常设变更"),
    "ticket opened": ("ticket opened", "已建工单"),
    "override asked": ("asked for an override", "申请例外"),
    "override approved": ("approved the override", "批准例外"),
}

PHRASES: Mapping[str, Pair] = {
    "waits_for": ("waits for approval by {who}", "待{who}审批"),
    "store": ("{count} in {stores} store: {list}", "{count} 个，{stores} 家门店：{list}"),
    "stores": ("{count} in {stores} stores: {list}", "{count} 个，{stores} 家门店：{list}"),
    "no_items": ("none", "无"),
    "asked": ("{who}, {at}", "{who}，{at}"),
    "approved_until": ("until {at}", "有效期至 {at}"),
    "approval_void": ("no longer valid", "已失效"),
    "override_asked": (
        "asked by {who}, {given} of {needed} people said yes, until {at}",
        "{who} 申请，{needed} 人中 {given} 人已批准，有效期至 {at}",
    ),
    "override_over": ("asked by {who}, ended {at}", "{who} 申请，已于 {at} 到期"),
    "override_yes": ("{who} {roles}, {at}", "{who} {roles}，{at}"),
    "as": ("as {roles}", "角色 {roles}"),
    "two_person": ("two persons", "需双人复核"),
    "done_by": ("done by {who}", "{who} 完成"),
    "checked_by": ("checked by {who}", "{who} 复核"),
    "to_do": ("to do", "未完成"),
    "to_check": ("waits for a second person", "待第二人复核"),
    "due": ("due {at}", "期限 {at}"),
    "overdue": ("OVERDUE since {at}", "已逾期，期限 {at}"),
    "settled": ("settled by {who}, {at}", "{who} 于 {at} 补齐"),
    "trigger": ("when: {text}", "条件：{text}"),
    "by": ("by: {text}", "负责：{text}"),
    "standing_until": ("{action}, until {at}", "{action}，有效期至 {at}"),
    "runs": ("{runs} runs, {failures} failed", "执行 {runs} 次，失败 {failures} 次"),
    "started_at": ("began {at} by {who}", "{who} 于 {at} 开始"),
    "ended_at": ("ended {at}", "{at} 结束"),
    "closed_at": ("closed {at}", "{at} 关闭"),
    "times": ("Times are {zone}.", "时间为 {zone}。"),
    "none_found": ("no changes", "没有变更"),
    "no_debts": ("nothing is owed", "没有欠项"),
    "more": ("{count} more", "另有 {count}"),
    "itself": ("storewarden itself", "系统自动"),
    "nothing": ("-", "无"),
}


def word(pairs: Mapping[str, Pair], key: str, language: str) -> str:
    """The word for ``key``; a value nobody has a word for stays as it is."""
    pair = pairs.get(key)
    return pair[language == "zh"] if pair else key


def phrase(key: str, language: str, **values: object) -> str:
    """A sentence with its blanks filled."""
    return PHRASES[key][language == "zh"].format(**values)
