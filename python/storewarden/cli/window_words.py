# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``storewarden window`` says around the reasons, in English and Chinese."""

from __future__ import annotations

from storewarden.domain.maintenance.outlook import Cell

ENGLISH = {
    "yes": "yes",
    "no": "no",
    "head": "{host}: {answer} for {operation}, {at} ({zone})",
    "head_needs": "{host}: {answer} for {operation} of {needs}, {at} ({zone})",
    "until": "until: {until}",
    "no_end": "until: no end within 400 days",
    "next": "next: {starts} - {ends} ({length})",
    "never": "next: none within 400 days",
    "hard_stop": "all done or undone by: {at}",
    "title": "{operation} is allowed: {days} days from {first}, on each store's clock",
    "stores": "{roles}: {names} ({count} stores, {devices} devices, {zones})",
    "store": "{roles}: {names} ({devices} devices, {zones})",
    "no_store": "without a store",
    "no_region": "without a region",
    "no_role": "without a role",
    "provisional": "provisional: public holidays of {years} are not official yet",
    "stale": "{source}: {rule}: no device has the {kind} {name!r}",
    "kept": "{count} rules kept in {path}",
    "exported": "{count} rules written to {path}",
}
CHINESE = {
    "yes": "可以",
    "no": "不可以",
    "head": "{host}：{answer}（{operation}），{at}（{zone}）",
    "head_needs": "{host}：{answer}（{operation}，需要 {needs}），{at}（{zone}）",
    "until": "截至：{until}",
    "no_end": "截至：400 天内没有限制",
    "next": "下一次：{starts} - {ends}（{length}）",
    "never": "下一次：400 天内没有",
    "hard_stop": "最迟完成或回退：{at}",
    "title": "允许「{operation}」的时间，自 {first} 起 {days} 天，按各门店当地时间",
    "stores": "{roles}：{names}（{count} 家门店，{devices} 台设备，{zones}）",
    "store": "{roles}：{names}（{devices} 台设备，{zones}）",
    "no_store": "无门店",
    "no_region": "无区域",
    "no_role": "无角色",
    "provisional": "暂定：{years} 年的放假安排尚未公布",
    "stale": "{source}：{rule}：没有设备属于{kind} {name!r}",
    "kept": "{count} 条规则已存入 {path}",
    "exported": "{count} 条规则已写入 {path}",
}
WORDS = {"en": ENGLISH, "zh": CHINESE}

KINDS = {  # of what a scope names
    "en": {},
    "zh": {"host": "主机", "store": "门店", "region": "区域", "role": "角色", "tier": "等级"},
}

DAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "zh": tuple(f"周{day}" for day in "一二三四五六日"),
}

LEGEND = {
    Cell.OPEN: ("allowed", "允许"),
    Cell.PARTLY: ("for some devices, or some of the time", "部分设备或部分时间"),
    Cell.NO_WINDOW: ("no window", "没有窗口"),
    Cell.HOURS: ("opening or forbidden hours", "营业或禁止时段"),
    Cell.BLACKOUT: ("blackout", "封网"),
    Cell.HOLIDAY: ("public holiday", "公共假期"),
    Cell.CAMPAIGN: ("campaign", "促销活动"),
}
