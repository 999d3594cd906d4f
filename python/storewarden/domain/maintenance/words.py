# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons in words, English and Chinese, one line each, for terminals, tickets and refusals.

Times are those of the clock on the wall of the store that is asked about.
"""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from storewarden.domain.maintenance.grounds import Ground, OperationClass
from storewarden.domain.maintenance.judge import Reason, WindowDecision
from storewarden.domain.maintenance.override import Objection

ENGLISH = {
    Ground.NO_WINDOW: "no window is open (windows: {detail})",
    Ground.TOO_SHORT: "the window closes at {ends}, before the work is done",
    Ground.OPENING_HOURS: "the store is open until {ends} ({detail})",
    Ground.FORBIDDEN_HOURS: "forbidden hours until {ends} ({detail})",
    Ground.BUSY_HOURS: "no window is defined, and it is not quiet until {ends} ({detail})",
    Ground.MONTH_END: "month-end closing until {ends}",
    Ground.CAMPAIGN: "campaign {name} until {ends}",
    Ground.HOLIDAY: "public holiday {name}, with the days around it, until {ends}",
    Ground.BLACKOUT: "blackout {name} until {ends}",
    Ground.WINDOW: "window {name} is open until {ends}",
    Ground.QUIET_HOURS: "no window is defined; outside opening and forbidden hours",
    Ground.ALWAYS: "this class of operation needs no window",
    Ground.OVERRIDE: "overridden until {ends} by {name}: {detail}",
    Ground.OVERRIDE_INVALID: "the override does not count: {objections}",
    Ground.ZONE_ASSUMED: "no time zone (sw_tz) is known for {name}; {detail} is assumed",
    Ground.HOURS_ASSUMED: "no opening hours (sw_hours) are known for {name}; {detail} is assumed",
    Ground.PROVISIONAL: "provisional: the public holidays of {detail} are not official yet; "
    "plan again when they are",
}
CHINESE = {
    Ground.NO_WINDOW: "没有维护窗口开放（窗口：{detail}）",
    Ground.TOO_SHORT: "窗口在 {ends} 关闭，时间不够完成操作",
    Ground.OPENING_HOURS: "门店营业至 {ends}（{detail}）",
    Ground.FORBIDDEN_HOURS: "禁止时段至 {ends}（{detail}）",
    Ground.BUSY_HOURS: "未定义窗口，且 {ends} 之前不是空闲时段（{detail}）",
    Ground.MONTH_END: "月末结账至 {ends}",
    Ground.CAMPAIGN: "促销活动「{name}」至 {ends}",
    Ground.HOLIDAY: "公共假期「{name}」及其前后几天，至 {ends}",
    Ground.BLACKOUT: "封网「{name}」至 {ends}",
    Ground.WINDOW: "窗口「{name}」开放至 {ends}",
    Ground.QUIET_HOURS: "未定义窗口；当前在营业时间和禁止时段之外",
    Ground.ALWAYS: "此类操作不需要窗口",
    Ground.OVERRIDE: "由 {name} 批准例外，至 {ends}：{detail}",
    Ground.OVERRIDE_INVALID: "例外审批无效：{objections}",
    Ground.ZONE_ASSUMED: "{name} 没有时区（sw_tz），按 {detail} 计算",
    Ground.HOURS_ASSUMED: "{name} 没有营业时间（sw_hours），按 {detail} 计算",
    Ground.PROVISIONAL: "暂定：{detail} 年的放假安排尚未公布，公布后请重新计划",
}
_OBJECTIONS = {
    Objection.FEW_PEOPLE: ("fewer than two people other than the requester approved it",
                           "除申请人外批准人不足两名"),
    Objection.NO_REASON: ("it gives no reason", "没有理由"),
    Objection.EXPIRED: ("it has expired", "已过期"),
    Objection.TOO_SHORT: ("it expires before the work is done", "在操作完成前过期"),
}  # fmt: skip
_OPERATIONS = {
    OperationClass.AUDIT: "只读审计",
    OperationClass.SERVICE_RECOVERY: "恢复已停止的服务",
    OperationClass.EMERGENCY: "紧急变更",
    OperationClass.CONFIGURATION: "配置",
    OperationClass.PORT_CHANGE: "端口变更",
    OperationClass.PATCH: "补丁",
    OperationClass.RELEASE: "应用发布",
    OperationClass.SERVICE_RESTART: "重启正常服务",
    OperationClass.NETWORK_RESTART: "重启网络设备",
    OperationClass.SCHEMA_CHANGE: "数据库结构变更",
    OperationClass.PAYMENT_CONFIGURATION: "支付接口配置",
    OperationClass.FINANCE: "财务系统",
    OperationClass.POS: "POS 变更",
    OperationClass.RECORD_DELETION: "删除过期记录",
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), tuple("一二三四五六日")
_GUIDE = ("guide {guide}", "指南 {guide}")


def said(reason: Reason, zone: tzinfo, language: str = "en") -> str:
    """The reason as one line, without the place of the rule that gave it."""
    chinese = language == "zh"
    template = (CHINESE if chinese else ENGLISH)[reason.ground]
    objections = [_OBJECTIONS[each][chinese] for each in reason.objections]
    line = template.format(
        name=reason.name,
        detail=reason.detail,
        ends=moment(reason.ends, zone, language) if reason.ends else "",
        objections=("；" if chinese else "; ").join(objections),
    )
    if not reason.guide:
        return line
    guide = _GUIDE[chinese].format(guide=reason.guide)
    return f"{line}（{guide}）" if chinese else f"{line} ({guide})"


def refusal(decision: WindowDecision, zone: tzinfo, language: str = "en") -> str:
    """Every reason against it in one line, for a refusal or a ticket."""
    joint = "；" if language == "zh" else "; "
    return joint.join(said(reason, zone, language) for reason in decision.reasons)


def moment(at: datetime, zone: tzinfo, language: str = "en") -> str:
    """``Mon 2026-06-15 05:00``, on the wall of ``zone``; with the offset when it comes twice."""
    wall = at.astimezone(zone)
    chinese = language == "zh"
    day = _DAYS[chinese][wall.weekday()]
    twice = wall.replace(fold=0).utcoffset() != wall.replace(fold=1).utcoffset()
    shown = f"{wall:%H:%M}{wall:%z}" if twice else f"{wall:%H:%M}"
    return f"{wall:%Y-%m-%d} 周{day} {shown}" if chinese else f"{day} {wall:%Y-%m-%d} {shown}"


def duration(length: timedelta, language: str = "en") -> str:
    """``6 h``, ``40 min``, ``2 d 3 h``."""
    minutes = int(length.total_seconds()) // 60
    units = ("天", "小时", "分钟") if language == "zh" else ("d", "h", "min")
    parts = (minutes // 1440, minutes // 60 % 24, minutes % 60)
    shown = [f"{part} {unit}" for part, unit in zip(parts, units, strict=True) if part]
    return " ".join(shown) or f"0 {units[2]}"


def operation_name(operation: OperationClass, language: str = "en") -> str:
    """The class as people read it."""
    return _OPERATIONS[operation] if language == "zh" else operation.value
