# SPDX-License-Identifier: GPL-3.0-or-later
"""Compliance by month, for a person, a program and an auditor.

A report of several months shows each; of a quarter these are three. Rates are rounded down,
as everywhere, so that 94.96 is never "95.0".
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from html import escape

from storewarden.adapters.reports.values import clean
from storewarden.domain.baseline.compliance import DeviceMonth, Fault, FleetMonth, Standing
from storewarden.domain.baseline.score import percent
from storewarden.ports.compliance import MonthFormat, MonthsPage
from storewarden.ports.reports import Language

FORMAT = "storewarden-compliance/1"

_EN: Mapping[str, str] = {
    "title": "Baseline compliance",
    "open": "so far: the month is not over",
    "over": "over, and not closed: it counts for nothing yet",
    "closed": "closed",
    "rate": "{rate} % compliant: {compliant} of {registered} registered devices"
    " ({unaudited} not audited); required: 95 %",
    "none": "no registered devices",
    "forced": "to be fixed by force (bad two months or more in a row)",
    "warned": "bad this month for the first time",
    "nobody": "nobody",
    "host": "host",
    "item": "item",
    "store": "store",
    "standing": "standing",
    "effective": "effective",
    "raw": "raw",
    "why": "why",
    "audit": "audit",
    "months": "bad months",
    Standing.OK.value: "ok",
    Standing.BAD1.value: "bad, 1st month",
    Standing.BAD2.value: "bad, 2nd month",
    Standing.BAD_AGAIN.value: "bad again",
    Fault.UNAUDITED.value: "not audited",
    Fault.HIGH_OPEN.value: "high open: {controls}",
    Fault.SCORE.value: "below 95 %",
}
_ZH: Mapping[str, str] = {
    "title": "基线合规报告",
    "open": "截至目前：本月尚未结束",
    "over": "本月已结束，尚未关账，不作考核依据",
    "closed": "已关账",
    "rate": "合规率 {rate}%：{registered} 台在册设备中合规 {compliant} 台"
    "（未审计 {unaudited} 台）；要求 95%",
    "none": "没有在册设备",
    "forced": "须强制整改（连续两个月及以上不合规）",
    "warned": "本月首次不合规",
    "nobody": "无",
    "host": "设备",
    "item": "配置项",
    "store": "门店",
    "standing": "状态",
    "effective": "有效得分",
    "raw": "原始得分",
    "why": "原因",
    "audit": "审计",
    "months": "连续不合规月数",
    Standing.OK.value: "合规",
    Standing.BAD1.value: "首月不合规",
    Standing.BAD2.value: "连续两月不合规",
    Standing.BAD_AGAIN.value: "持续不合规",
    Fault.UNAUDITED.value: "未审计",
    Fault.HIGH_OPEN.value: "高严重程度未通过：{controls}",
    Fault.SCORE.value: "低于 95%",
}
_COLUMNS = ("host", "item", "store", "standing", "effective", "raw", "months", "why", "audit")
_STYLE = (
    "body{font:14px/1.5 sans-serif;margin:2em;color:#222}table{border-collapse:collapse}"
    "th,td{border:1px solid #bbb;padding:.2em .6em;text-align:left}th{background:#eee}"
    "tr.bad td{background:#fdf3d8}tr.forced td{background:#fbdcd7}"
)


def rendered(fleets: Sequence[FleetMonth], shape: MonthFormat, page: MonthsPage) -> str:
    """The whole text, ending with a line break."""
    words = _ZH if page.language is Language.ZH else _EN
    if shape is MonthFormat.JSON:
        whole = {"format": FORMAT, "site": page.site, "months": [_plain(each) for each in fleets]}
        return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
    if shape is MonthFormat.HTML:
        return _html(fleets, page, words)
    return "\n".join(_table(fleet, page, words) for fleet in fleets)


def _plain(fleet: FleetMonth) -> dict[str, object]:
    return {
        "month": str(fleet.month),
        "closed_at": fleet.closed_at.isoformat() if fleet.closed_at else None,
        "registered": fleet.registered,
        "audited": fleet.audited,
        "compliant": fleet.compliant,
        "rate": percent(fleet.rate) if fleet.rate is not None else None,
        "good_enough": fleet.good_enough,
        "devices": [_plain_device(each) for each in fleet.devices],
    }


def _plain_device(each: DeviceMonth) -> dict[str, object]:
    device = each.device
    return {
        "host": device.host,
        "item": device.item,
        "store": device.store,
        "region": device.region,
        "role": device.role,
        "standing": each.standing.value,
        "bad_months": each.bad_months,
        "compliant": each.compliant,
        "why": each.fault.value or None,
        "effective": percent(each.effective) if each.effective is not None else None,
        "raw": percent(each.raw) if each.raw is not None else None,
        "open_high": list(each.open_high),
        "failing": list(each.failing),
        "audit": each.audit or None,
    }


def _heads(fleet: FleetMonth, page: MonthsPage, words: Mapping[str, str]) -> list[str]:
    over = page.now is not None and fleet.month < page.now
    state = words["closed" if fleet.closed_at else "over" if over else "open"]
    lines = [f"{words['title']} {fleet.month} ({state})"]
    if fleet.rate is None:
        return [*lines, words["none"]]
    told = words["rate"].format(
        rate=percent(fleet.rate),
        compliant=fleet.compliant,
        registered=fleet.registered,
        unaudited=fleet.registered - fleet.audited,
    )
    forced = fleet.standing(Standing.BAD2, Standing.BAD_AGAIN)
    warned = fleet.standing(Standing.BAD1)
    return [
        *lines,
        told,
        f"{words['forced']}: {_names(forced, words)}",
        f"{words['warned']}: {_names(warned, words)}",
    ]


def _names(devices: Sequence[DeviceMonth], words: Mapping[str, str]) -> str:
    return ", ".join(clean(each.device.host) for each in devices) or words["nobody"]


def _row(each: DeviceMonth, words: Mapping[str, str]) -> tuple[str, ...]:
    fault = (
        words[each.fault.value].format(controls=" ".join(each.open_high))
        if each.fault.value
        else "-"
    )
    shown = (
        each.device.host,
        each.device.item or "-",
        each.device.store or "-",
        words[each.standing.value],
        percent(each.effective),
        percent(each.raw),
        str(each.bad_months),
        fault,
        each.audit or "-",
    )
    return tuple(clean(text) for text in shown)


def _table(fleet: FleetMonth, page: MonthsPage, words: Mapping[str, str]) -> str:
    heads = tuple(words[name].upper() for name in _COLUMNS)
    rows = [heads, *(_row(each, words) for each in fleet.devices)] if fleet.devices else []
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join((*_heads(fleet, page, words), "", *lines)).rstrip() + "\n"


def _html(fleets: Sequence[FleetMonth], page: MonthsPage, words: Mapping[str, str]) -> str:
    title = escape(f"{words['title']} {page.site}".strip())
    lang = "zh-CN" if page.language is Language.ZH else "en"
    body = "".join(_section(fleet, page, words) for fleet in fleets)
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    )


def _section(fleet: FleetMonth, page: MonthsPage, words: Mapping[str, str]) -> str:
    first, *rest = (escape(line) for line in _heads(fleet, page, words))
    heads = "".join(f"<th>{escape(words[name])}</th>" for name in _COLUMNS)
    rows = "".join(_html_row(each, words) for each in fleet.devices)
    told = "".join(f"<p>{line}</p>" for line in rest)
    return f"<h2>{first}</h2>{told}<table><tr>{heads}</tr>{rows}</table>"


def _html_row(each: DeviceMonth, words: Mapping[str, str]) -> str:
    kind = {Standing.OK: "", Standing.BAD1: "bad"}.get(each.standing, "forced")
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in _row(each, words))
    return f'<tr class="{kind}">{cells}</tr>'


def _width(text: str) -> int:
    return len(text) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
