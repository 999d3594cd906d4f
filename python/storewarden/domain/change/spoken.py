# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules say of a change, for whoever reads Chinese.

The record holds reasons in one language, English, because their words are hashed and compared.
They are made of few clauses, so a clause is recognised by its form and said in Chinese; what
people wrote themselves, and a clause that is not known, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from storewarden.domain.change.clauses import ACTIONS, CLAUSES, GAPS, OWN, STATES
from storewarden.domain.change.rules import spoken
from storewarden.domain.maintenance.recognise import in_chinese, moments

_ROLES: Mapping[str, str] = {  # the roles of the default rules; a site's own stand as written
    "department_head": "部门负责人",
    "operations_lead": "运维负责人",
    "security_lead": "安全负责人",
    "business": "业务负责人",
    "it": "IT 负责人",
    "system_owner": "系统负责人",
}
_BY_SPOKEN = {spoken(role): told for role, told in _ROLES.items()}
_JOINT = "; "
_HOLE = re.compile(r"\{(\w+)\}")
_MEMBERS = re.compile(r"(?P<host>\S+?)(?: and (?P<more>\d+) more)?: (?P<clause>.+)")
_GONE = re.compile(r"(?P<waits>.+?) \(no longer valid: (?P<people>.+)\)")


def role_name(role: str, language: str) -> str:
    """A role as people write it."""
    return _ROLES.get(role, role) if language == "zh" else spoken(role)


def roles_told(waits_for: str, language: str) -> str:
    """Whose yes is missing (``approvals.waits_for``), in ``language``."""
    if language != "zh":
        return waits_for
    either = [_each(part, ", ", "、") for part in waits_for.split(" or ")]
    return "或".join(either)


def told(text: str, language: str) -> str:
    """A reason, a hint or what is owed, in ``language``."""
    if language != "zh" or not text:
        return text
    return "；".join(_clause(each) for each in text.split(_JOINT))


def action_told(tried: str, language: str) -> str:
    """What somebody tried to do, as a refusal names it."""
    return ACTIONS.get(tried, tried) if language == "zh" else tried


def _clause(text: str) -> str:
    for pattern, chinese in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return chinese.format(**{n: _filling(n, v) for n, v in found.groupdict().items()})
    return _owed(text) or in_chinese(text) or _members(text) or text


def _members(text: str) -> str:
    """Hosts in front of what windows say of them."""
    found = _MEMBERS.fullmatch(text)
    clause = in_chinese(found["clause"]) if found else ""
    if not found or not clause:
        return ""
    more = f" 等 {int(found['more']) + 1} 台" if found["more"] else ""
    return f"{found['host']}{more}：{clause}"


def _owed(text: str) -> str:
    """Roles, or parts of the paperwork, as debts list them; "" when it is something else."""
    parts = text.split(", ")
    if all(part in GAPS for part in parts):
        return _gaps(text)
    roles = re.split(", | or ", text)
    return roles_told(text, "zh") if all(role in _BY_SPOKEN for role in roles) else ""


def _waits(text: str) -> str:
    gone = _GONE.fullmatch(text)
    if gone:
        return f"{roles_told(gone['waits'], 'zh')}（已失效：{gone['people']}）"
    return roles_told(text, "zh")


def _gaps(text: str) -> str:
    return _each(text, ", ", "、", GAPS)


def _states(text: str) -> str:
    return "或".join(STATES.get(state, state) for state in text.split(" or "))


def _each(text: str, between: str, joint: str, words: Mapping[str, str] = _BY_SPOKEN) -> str:
    return joint.join(words.get(part, part) for part in text.split(between))


def _why(text: str) -> str:
    for english, chinese in OWN:
        found = _pattern(english).fullmatch(text)
        if found:
            return chinese.format(**found.groupdict())
    return text


_FILLINGS: Mapping[str, Callable[[str], str]] = {
    "roles": _waits,
    "gaps": _gaps,
    "states": _states,
    "state": _states,
    "verb": lambda text: ACTIONS.get(text, text),
    "why": _why,
    "moment": moments,
    "kind": lambda text: {"major": "重大变更", "standard": "标准变更", "minor": "一般变更",
                          "emergency": "紧急变更"}.get(text, text),
    "debt": lambda text: {"approval": "审批", "test evidence": "测试证据", "paperwork": "文档",
                          "items": "配置项"}.get(text, text),
}  # fmt: skip


def _filling(name: str, value: str) -> str:
    fill = _FILLINGS.get(name)
    return fill(value) if fill else value


def _pattern(english: str) -> re.Pattern[str]:
    """``{who} did {step}`` as a regular expression with those groups."""
    parts = _HOLE.split(english)
    made = (f"(?P<{part}>.+?)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
    return re.compile("".join(made), re.DOTALL)


def _compiled(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[re.Pattern[str], str], ...]:
    """The longest fixed text first, so that the narrower form wins."""
    ordered = sorted(pairs, key=lambda pair: -len(_HOLE.sub("", pair[0])))
    return tuple((_pattern(english), chinese) for english, chinese in ordered)


_PATTERNS = _compiled(CLAUSES)
