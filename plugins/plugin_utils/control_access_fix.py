# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Words of the fixes that decide who gets in: accounts, passwords, PAM, sudo and SSH."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_Fix = Mapping[str, Any]


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _settings(settings: _Fix, sign: str) -> str:
    return ", ".join(
        str(name) if value is True else f"{name}{sign}{_first(value)}"
        for name, value in settings.items()
    )


def _first(value: Any) -> str:
    return " / ".join(map(str, value)) if isinstance(value, list) else str(value)


def _account(fix: _Fix) -> tuple[str, str]:
    english, chinese = [], []
    if fix.get("no_shell"):
        english.append("give the accounts named the shell nologin")
        chinese.append("将所列账户的登录 Shell 改为 nologin")
    if fix.get("lock"):
        english.append("lock the password of the accounts named")
        chinese.append("锁定所列账户的口令")
    if fix.get("expire"):
        days = fix["expire"]["longer_than"]
        english.append(f"let each registered temporary account end {days} days after its start")
        chinese.append(f"已登记的临时账户自启用之日起 {days} 天后到期")
    return "; ".join(english), "；".join(chinese)


def _aging(fix: _Fix) -> tuple[str, str]:
    english, chinese = [], []
    if fix.get("login_defs"):
        settings = _settings(fix["login_defs"], " ")
        english.append(f"set in /etc/login.defs: {settings}")
        chinese.append(f"在 /etc/login.defs 中设置：{settings}")
    options = {"max": ("-M", fix.get("max")), "warn": ("-W", fix.get("warn"))}
    words = " ".join(f"{option} {days}" for option, days in options.values() if days is not None)
    if words:
        english.append(f'run "chage {words}" for the accounts named')
        chinese.append(f"对所列账户执行“chage {words}”")
    if fix.get("max") is not None:
        english.append(
            "a person with an older password must change it at the next login; an account that "
            "programs use and whose password is older is left alone and named"
        )
        chinese.append(
            "口令已超期的人员须在下次登录时修改；供程序使用且口令已超期的账户保持不变并列出"
        )
    return "; ".join(english), "；".join(chinese)


def _pam(fix: _Fix) -> tuple[str, str]:
    lines = " | ".join(f"{one['type']} {one['line']}" for one in fix["stack"])
    return (
        f"put around pam_unix, by pam-auth-update where it manages the stack: {lines}",
        f"在 pam_unix 前后加入（由 pam-auth-update 管理时通过其配置文件）：{lines}",
    )


def _pam_args(fix: _Fix) -> tuple[str, str]:
    module, args = fix["module"], _listed(fix["args"])
    services = _listed(fix["services"])
    english = f"take {args} off the {fix['type']} lines of {module} in {services}"
    chinese = f"去除 {services} 中 {module} 的 {fix['type']} 行上的 {args}"
    if fix.get("instead"):
        return f"{english}, {fix['instead']} instead", f"{chinese}，改为 {fix['instead']}"
    return english, chinese


def _pam_setting(fix: _Fix) -> tuple[str, str]:
    path, settings = fix["path"], _settings(fix["settings"], " = ")
    return (
        f"set in {path}: {settings}; switch off what wins over it in other files and on the "
        f"lines of {fix['module']}",
        f"在 {path} 中设置：{settings}；停用其他文件及 {fix['module']} 行上会覆盖它的取值",
    )


def _shell_timeout(fix: _Fix) -> tuple[str, str]:
    path, seconds = fix["path"], fix["seconds"]
    return (
        f"write TMOUT={seconds}, readonly and exported, to {path} and switch off other lines "
        "about TMOUT",
        f"在 {path} 中写入只读且导出的 TMOUT={seconds}，并停用其他 TMOUT 相关行",
    )


def _sshd(fix: _Fix) -> tuple[str, str]:
    place = "/etc/ssh/sshd_config.d/00-storewarden.conf"
    if "sources" in fix:
        nets = _listed(fix["sources"])
        return (
            f"bind every AllowUsers entry in {place} to {nets}",
            f"在 {place} 中将每个 AllowUsers 条目限定为 {nets}",
        )
    settings = _settings(fix["settings"], " ")
    return (
        f"set in {place}: {settings}; switch off what wins over it (earlier lines, Match blocks, "
        "options of the daemon); then reload sshd",
        f"在 {place} 中设置：{settings}；停用会覆盖它的内容（更早的行、Match 段、守护进程选项）；"
        "然后重新加载 sshd",
    )


def _sudoers(fix: _Fix) -> tuple[str, str]:
    defaults, path = _listed(fix["defaults"]), fix["path"]
    return (
        f"write to {path}: Defaults {defaults}; remove what takes them back, and NOPASSWD of "
        "everyone who is no automation account and has a password",
        f"在 {path} 中写入 Defaults {defaults}；去除撤销它们的设置，"
        "以及自动化账户以外且设有口令者的 NOPASSWD",
    )


# One line per kind: (what it does in English, in Chinese), from the step's fields.
ACCESS_TEXTS: dict[str, Callable[[_Fix], tuple[str, str]]] = {
    "account": _account,
    "aging": _aging,
    "pam": _pam,
    "pam_args": _pam_args,
    "pam_setting": _pam_setting,
    "shell_timeout": _shell_timeout,
    "sshd": _sshd,
    "sudoers": _sudoers,
}
