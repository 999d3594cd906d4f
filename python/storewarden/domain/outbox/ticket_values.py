# SPDX-License-Identifier: GPL-3.0-or-later
"""The names and values of a journal entry as a ticket's note shows them.

Names come in the order in which people read them; a value that is a word of ours (a role, an
outcome, what a rule said) is given in the ticket's language, what people wrote stays theirs.
"""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.domain.change.events import EventKind
from storewarden.domain.change.spoken import action_told, role_name, told
from storewarden.domain.outbox.notice import Text

NAMES: Mapping[str, Text] = {  # the order of a note
    "kind": Text(en="kind", zh="类型"),
    "risk": Text(en="risk", zh="风险"),
    "operation": Text(en="operation class", zh="操作类别"),
    "requester": Text(en="requester", zh="申请人"),
    "owner": Text(en="owner", zh="负责人"),
    "standing": Text(en="standing for", zh="常设操作"),
    "window": Text(en="window", zh="窗口"),
    "starts": Text(en="from", zh="开始"),
    "ends": Text(en="to", zh="结束"),
    "items": Text(en="configuration items", zh="配置项"),
    "tried": Text(en="tried", zh="尝试的操作"),
    "outcome": Text(en="outcome", zh="结果"),
    "step": Text(en="step", zh="步骤"),
    "name": Text(en="name", zh="名称"),
    "debt": Text(en="debt", zh="欠项"),
    "about": Text(en="about", zh="关于"),
    "person": Text(en="person", zh="人员"),
    "roles": Text(en="as", zh="角色"),
    "required": Text(en="required roles", zh="所需角色"),
    "reason": Text(en="reason", zh="原因"),
    "what": Text(en="what", zh="事项"),
    "text": Text(en="text", zh="内容"),
    "comment": Text(en="comment", zh="意见"),
    "plan": Text(en="plan", zh="方案"),
    "steps": Text(en="key steps", zh="关键步骤"),
    "trigger": Text(en="when to roll back", zh="回滚条件"),
    "rollback": Text(en="rollback plan", zh="回滚方案"),
    "rollback_by": Text(en="who rolls back", zh="回滚负责人"),
    "hint": Text(en="what to do", zh="建议"),
    "note": Text(en="note", zh="说明"),
    "hosts": Text(en="hosts", zh="设备"),
    "run": Text(en="run", zh="执行编号"),
    "began": Text(en="began", zh="开始于"),
    "succeeded": Text(en="succeeded", zh="成功"),
    "override": Text(en="override", zh="例外"),
    "asks": Text(en="asks any of", zh="征求批准的角色"),
    "missing": Text(en="people still to approve", zh="尚需批准人数"),
    "authorised": Text(en="all approvals there", zh="审批齐全"),
    "evidence": Text(en="proves", zh="证据类型"),
    "media_type": Text(en="type", zh="格式"),
    "size": Text(en="bytes", zh="字节数"),
    "digest": Text(en="sha256", zh="sha256"),
    "approved_at": Text(en="approved at", zh="批准于"),
    "expires": Text(en="valid until", zh="有效期至"),
    "due": Text(en="due", zh="期限"),
    "rule": Text(en="by a rule", zh="由规则决定"),
    "system": Text(en="system", zh="系统"),
    "ticket": Text(en="ticket", zh="工单"),
}
_PLACES = {name: place for place, name in enumerate(NAMES)}

_WORDS: Mapping[str, str] = {
    "successful": "成功",
    "rolled back": "已回滚",
    "failed": "失败",
    "partial": "部分完成",
    "approval": "审批",
    "approvals": "审批",
    "test evidence": "测试证据",
    "paperwork": "文档",
    "items": "未完成的配置项",
    "start": "开始实施",
    "test": "测试",
    "audit": "审计",
    "verification": "验证",
    "other": "其他",
    "rejected": "已驳回",
    "cancelled": "已取消",
}
_ROLES = frozenset({"roles", "required", "asks"})
_OURS = frozenset({"outcome", "debt", "about", "evidence"})
_SPOKEN = (EventKind.REFUSED, EventKind.OWES, EventKind.SETTLED, EventKind.REMINDED)
_RULED = frozenset(kind.value for kind in _SPOKEN)
_BY_RULE = frozenset({"reason", "hint", "what"})


def value_told(value: str, language: str) -> str:
    """An outcome, a debt or a kind of evidence."""
    return _WORDS.get(value, value) if language == "zh" else value


def shown(kind: str, body: Mapping[str, object], language: str) -> dict[str, object]:
    """The body of an entry of ``kind`` (without "change "), in order and in ``language``."""
    flat = _without_nests(body, language)
    ordered = sorted(flat.items(), key=lambda pair: _PLACES.get(pair[0], len(_PLACES)))
    ruled = kind in _RULED or bool(body.get("rule"))
    return {key: _shown(key, value, language, ruled) for key, value in ordered}


def step_told(name: str, two_person: bool, language: str) -> str:
    """A key step as one text."""
    two = Text(en=f"{name} (two persons)", zh=f"{name}（需双人复核）")
    return two.in_(language) if two_person else name


def _without_nests(body: Mapping[str, object], language: str) -> dict[str, object]:
    """A rewritten rollback plan and steps as the ticket itself names them."""
    flat = dict(body)
    rollback, steps = body.get("rollback"), body.get("steps")
    if isinstance(rollback, Mapping):
        flat |= {"trigger": rollback.get("trigger"), "rollback_by": rollback.get("owner")}
        flat["rollback"] = rollback.get("steps")
    if isinstance(steps, list | tuple):
        flat["steps"] = [
            step_told(str(each["name"]), bool(each.get("two_person")), language)
            if isinstance(each, Mapping)
            else each
            for each in steps
        ]
    return flat


def _shown(key: str, value: object, language: str, ruled: bool) -> object:
    if key in _ROLES and isinstance(value, list | tuple):
        return [role_name(str(role), language) for role in value]
    if not isinstance(value, str):
        return value
    if key == "tried":
        return action_told(value, language)
    if key in _OURS:
        return value_told(value, language)
    return told(value, language) if ruled and key in _BY_RULE else value
