# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fix of a control: in words for reports, and as the data that the host gets.

One control's fix is one kind, or several ``steps`` of them in order. Both are made from the same
data, so the report cannot promise something else than what is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.storewarden.ops.plugins.plugin_utils.control_access_fix import ACCESS_TEXTS
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_host_fix import HOST_TEXTS
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_params import (
    filled,
    is_param,
)

_Fix = Mapping[str, Any]
_WHOLE = re.compile(r"\{(\w+)\}$")
_STATES = {
    "enabled": ("enable and start", "启用并启动"),
    "disabled": ("stop and disable", "停止并禁用"),
    "masked": ("stop and mask", "停止并屏蔽（mask）"),
}
_TOLD = (("reload", "then reload", "然后重新加载"), ("restart", "then restart", "然后重启"))


def fix_steps(fix: _Fix) -> list[dict[str, Any]]:
    """The steps of a fix, each with its ``kind``; a fix of one kind is one step."""
    if "steps" in fix:
        return [dict(one) for one in fix["steps"]]
    return [{key: value for key, value in fix.items() if key not in ("group", "note")}]


def fix_kinds(fix: _Fix) -> list[str]:
    """The kinds of the steps, in order."""
    return [str(step["kind"]) for step in fix_steps(fix)]


def is_manual(fix: _Fix) -> bool:
    """Whether people have to do it."""
    return "manual" in fix_kinds(fix)


def fix_text(fix: _Fix, values: Mapping[str, Any]) -> dict[str, str]:
    """``{en, zh}`` with parameters filled in."""
    pairs = [_step_text(prepared_value(step, values)) for step in fix_steps(fix)]
    note = fix.get("note", {"en": "", "zh": ""})
    pairs.append((note["en"], note["zh"]))
    return {
        "en": filled("; ".join(en.strip() for en, _zh in pairs if en.strip()), values),
        "zh": filled("；".join(zh.strip() for _en, zh in pairs if zh.strip()), values),
    }


def _step_text(step: _Fix) -> tuple[str, str]:
    english, chinese = _TEXTS[step["kind"]](step)
    for key, en, zh in _TOLD:
        if step.get(key):
            units = _joined(step[key])
            english += f"; {en} {units}"
            chinese += f"；{zh} {units}"
    return english, chinese


def prepared_fix(control: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What the host gets: ``{id, risk, group, steps}`` with parameters filled in."""
    fix = control["fix"]
    return {
        "id": control["id"],
        "risk": control["risk"],
        "group": fix["group"],
        "steps": [prepared_value(step, values) for step in fix_steps(fix)],
    }


def prepared_value(node: Any, values: Mapping[str, Any]) -> Any:
    """Parameters as data, ``{NAME}`` in texts filled in.

    A list's element that is nothing but the ``{NAME}`` of a list is replaced by its elements.
    """
    if isinstance(node, str):
        return filled(node, values)
    if is_param(node):
        return values[node["param"]]
    if isinstance(node, Mapping):
        return {key: prepared_value(one, values) for key, one in node.items()}
    if not isinstance(node, list):
        return node
    found: list[Any] = []
    for one in node:
        whole = _WHOLE.match(one) if isinstance(one, str) else None
        value = values.get(whole[1]) if whole else None
        found += value if isinstance(value, list) else [prepared_value(one, values)]
    return found


def _joined(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _pairs(settings: Any, sign: str = " = ") -> str:
    if not isinstance(settings, Mapping):
        return str(settings)
    return ", ".join(f"{key}{sign}{_said(value)}" for key, value in settings.items())


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"≥ {value['at_least']}"
    return " / ".join(map(str, value)) if isinstance(value, list) else str(value)


def _drop_in(fix: _Fix) -> tuple[str, str]:
    lines = " | ".join(str(line) for line in fix["lines"])
    return f"write to {fix['path']}: {lines}", f"写入 {fix['path']}：{lines}"


def _setting(fix: _Fix) -> tuple[str, str]:
    settings = _pairs(fix["settings"], str(fix.get("sep", " ")))
    return f"set in {fix['path']}: {settings}", f"在 {fix['path']} 中设置：{settings}"


def _comment_out(fix: _Fix) -> tuple[str, str]:
    files = _joined(fix["files"])
    return (
        f"comment out what would override it in {files}",
        f"在 {files} 中注释掉会覆盖该设置的内容",
    )


def _sysctl(fix: _Fix) -> tuple[str, str]:
    settings = _pairs(fix["settings"])
    return f"set kernel parameters: {settings}", f"设置内核参数：{settings}"


def _unit(fix: _Fix) -> tuple[str, str]:
    units = _joined(fix["units"])
    english, chinese = _STATES[fix["state"]]
    return f"{english} {units}", f"{chinese} {units}"


def _packages(fix: _Fix) -> tuple[str, str]:
    english, chinese = [], []
    for key, (en, zh) in {"absent": ("remove", "卸载"), "present": ("install", "安装")}.items():
        if fix.get(key):
            names = _joined(fix[key])
            english.append(f"{en} {names}")
            chinese.append(f"{zh} {names}")
    return "; ".join(english), "；".join(chinese)


def _kmod(fix: _Fix) -> tuple[str, str]:
    names = _joined(fix["blocked"])
    return f"block the kernel modules {names}", f"禁止加载内核模块 {names}"


def _mode(fix: _Fix) -> tuple[str, str]:
    owner = ":".join(str(fix[key]) for key in ("owner", "group_owner") if fix.get(key))
    paths, mode = _joined(fix["paths"]), fix["mode"]
    english = f"take permissions beyond {mode} off {paths}"
    chinese = f"将 {paths} 的权限收紧至 {mode}"
    return (
        english + (f", owner {owner}" if owner else ""),
        chinese + (f"，属主设为 {owner}" if owner else ""),
    )


def _file(fix: _Fix) -> tuple[str, str]:
    return f"write the file {fix['path']}", f"写入文件 {fix['path']}"


def _postgresql(fix: _Fix) -> tuple[str, str]:
    english, chinese = [], []
    if fix.get("preload"):
        english.append(f"load {fix['preload']} beside the libraries loaded now")
        chinese.append(f"在现有预加载库之外加载 {fix['preload']}")
    if fix.get("settings"):
        settings = _pairs(fix["settings"])
        english.append(f"set in conf.d of every PostgreSQL cluster: {settings}")
        chinese.append(f"在各 PostgreSQL 实例的 conf.d 中设置：{settings}")
    return (
        "; ".join([*english, "then reload or restart it, as the setting needs"]),
        "；".join([*chinese, "然后按需重新加载或重启"]),
    )


def _mariadb(fix: _Fix) -> tuple[str, str]:
    english, chinese = [], []
    if fix.get("plugins"):
        english.append(f"load the plugins {_joined(fix['plugins'])}")
        chinese.append(f"加载插件 {_joined(fix['plugins'])}")
    if fix.get("settings"):
        settings = _pairs(fix["settings"])
        english.append(f"set in /etc/mysql/mariadb.conf.d: {settings}")
        chinese.append(f"在 /etc/mysql/mariadb.conf.d 中设置：{settings}")
    return "; ".join([*english, "then restart mariadb"]), "；".join([*chinese, "然后重启 mariadb"])


def _manual(fix: _Fix) -> tuple[str, str]:
    return str(fix["how"]["en"]).strip(), str(fix["how"]["zh"]).strip()


# One line per kind: (what it does in English, in Chinese), from the step's fields.
_TEXTS: dict[str, Callable[[_Fix], tuple[str, str]]] = {
    **ACCESS_TEXTS,
    **HOST_TEXTS,
    "comment_out": _comment_out,
    "drop_in": _drop_in,
    "file": _file,
    "kmod": _kmod,
    "manual": _manual,
    "mariadb": _mariadb,
    "mode": _mode,
    "packages": _packages,
    "postgresql": _postgresql,
    "setting": _setting,
    "sysctl": _sysctl,
    "unit": _unit,
}
