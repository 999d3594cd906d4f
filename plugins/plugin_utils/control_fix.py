# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fix of a control in words, for reports; the same data drives the remediation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import filled

_Fix = Mapping[str, Any]
_STATES = {
    "enabled": ("enable and start", "启用并启动"),
    "disabled": ("stop and disable", "停止并禁用"),
    "masked": ("stop and mask", "停止并屏蔽（mask）"),
}


def fix_text(fix: _Fix, values: Mapping[str, Any]) -> dict[str, str]:
    """``{en, zh}`` with parameters filled in."""
    english, chinese = _TEXTS[fix["kind"]](fix)
    note = fix.get("note", {"en": "", "zh": ""})
    return {
        "en": filled("; ".join(one for one in (english, note["en"]) if one), values).strip(),
        "zh": filled("；".join(one for one in (chinese, note["zh"]) if one), values).strip(),
    }


def _drop_in(fix: _Fix) -> tuple[str, str]:
    lines = " | ".join(str(line) for line in fix["lines"])
    english, chinese = f"write to {fix['path']}: {lines}", f"写入 {fix['path']}：{lines}"
    if fix.get("reload"):
        english += f"; then reload {fix['reload']}"
        chinese += f"；然后重新加载 {fix['reload']}"
    return english, chinese


def _sysctl(fix: _Fix) -> tuple[str, str]:
    settings = ", ".join(f"{key} = {value}" for key, value in fix["settings"].items())
    return f"set kernel parameters: {settings}", f"设置内核参数：{settings}"


def _unit(fix: _Fix) -> tuple[str, str]:
    units = ", ".join(fix["units"])
    english, chinese = _STATES[fix["state"]]
    return f"{english} {units}", f"{chinese} {units}"


def _packages(fix: _Fix) -> tuple[str, str]:
    english, chinese = [], []
    for key, (en, zh) in {"absent": ("remove", "卸载"), "present": ("install", "安装")}.items():
        if fix.get(key):
            names = ", ".join(fix[key]) if isinstance(fix[key], list) else str(fix[key])
            english.append(f"{en} {names}")
            chinese.append(f"{zh} {names}")
    return "; ".join(english), "；".join(chinese)


def _kmod(fix: _Fix) -> tuple[str, str]:
    names = ", ".join(fix["blocked"]) if isinstance(fix["blocked"], list) else str(fix["blocked"])
    return f"block the kernel modules {names}", f"禁止加载内核模块 {names}"


def _manual(fix: _Fix) -> tuple[str, str]:
    return str(fix["how"]["en"]).strip(), str(fix["how"]["zh"]).strip()


_TEXTS: dict[str, Callable[[_Fix], tuple[str, str]]] = {
    "drop_in": _drop_in,
    "sysctl": _sysctl,
    "unit": _unit,
    "packages": _packages,
    "kmod": _kmod,
    "manual": _manual,
}
