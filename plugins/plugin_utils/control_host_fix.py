# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Words of the fixes of a host itself: mounts, ports, firewall, logs, time, and the till."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_Fix = Mapping[str, Any]


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _mount(fix: _Fix) -> tuple[str, str]:
    paths, options = _listed(fix["paths"]), _listed(fix["options"])
    return (
        f"mount {paths} with {options}, now and at boot; a path without a mount of its own is bound"
        " onto itself",
        f"为 {paths} 加上挂载选项 {options}，立即生效并在开机时保持；"
        "非独立挂载点的目录绑定挂载到自身",
    )


def _close_ports(fix: _Fix) -> tuple[str, str]:
    units = _listed(fix["unneeded"])
    return (
        f"stop and disable what holds a port that is not approved, when it is one of {units};"
        " anything else on such a port is named and left to a person",
        f"占用未审批端口的服务如属 {units}，停止并禁用；其他情况列出后人工处理",
    )


def _firewall(fix: _Fix) -> tuple[str, str]:
    if fix["chain"] == "output":
        return (
            "let nothing out but answers and the destinations in baseline_pos_egress (nftables"
            " table inet storewarden_pos, policy drop, loaded at boot)",
            "仅允许应答报文及 baseline_pos_egress 登记的目的地址出站"
            "（nftables 表 inet storewarden_pos，默认拒绝，开机加载）",
        )
    return (
        "let in the ports of baseline_ports_allowed that have not expired, SSH from"
        " baseline_ssh_mgmt_nets alone, sensitive ports from named networks alone, each with a"
        " counter of its own (nftables table inet storewarden, policy drop, loaded at boot)",
        "仅放行 baseline_ports_allowed 中未到期的端口，SSH 仅限 baseline_ssh_mgmt_nets，"
        "敏感端口仅限指定网段，"
        "每个端口设独立计数器（nftables 表 inet storewarden，默认拒绝，开机加载）",
    )


def _audit_rules(_fix: _Fix) -> tuple[str, str]:
    path = "/etc/audit/rules.d/50-storewarden.rules"
    return (
        f"write rules for what is not recorded yet to {path} and load them",
        f"将尚未覆盖的审计规则写入 {path} 并加载",
    )


def _log_forward(fix: _Fix) -> tuple[str, str]:
    server = f"{fix.get('target') or '(baseline_logs_target)'}:{fix['port']}"
    return (
        f"send everything that rsyslog gets to {server} over TLS (x509/name), with a queue on disk",
        f"rsyslog 通过 TLS（x509/name）将全部日志转发至 {server}，并启用磁盘队列",
    )


def _logrotate(fix: _Fix) -> tuple[str, str]:
    logs, days = _listed(fix["logs"]), fix["days"]
    return (
        f"in the sections of logrotate that rotate {logs}: as many rotations as {days} days take,"
        " no size, maxsize or shorter maxage",
        f"在轮转 {logs} 的 logrotate 配置段中：轮转次数满足 {days} 天，"
        "取消 size、maxsize 及过短的 maxage",
    )


def _journald(fix: _Fix) -> tuple[str, str]:
    size, path = fix["min_bytes"], "/etc/systemd/journald.conf.d/zz-storewarden.conf"
    return (
        f"write to {path}, where it is not so yet: Storage=persistent, SystemMaxUse={size},"
        " MaxRetentionSec=0; then restart systemd-journald",
        f"未达标项写入 {path}：Storage=persistent、SystemMaxUse={size}、MaxRetentionSec=0；"
        "然后重启 systemd-journald",
    )


def _time_sync(fix: _Fix) -> tuple[str, str]:
    keep = str(fix.get("keep") or "")
    servers = _listed(fix.get("servers") or [])
    english = f"keep {keep or 'the time service that runs'}, mask the others"
    chinese = f"保留{keep or '当前运行的时间同步服务'}，屏蔽（mask）其余服务"
    if servers:
        english += f"; approved servers alone: {servers}"
        chinese += f"；仅使用经批准的时间源：{servers}"
    return english, chinese


def _membership(fix: _Fix) -> tuple[str, str]:
    users, groups = _listed(fix["users"]), _listed(fix["groups"])
    return f"take {users} out of the groups {groups}", f"将 {users} 移出用户组 {groups}"


def _dconf(fix: _Fix) -> tuple[str, str]:
    settings = ", ".join(f"{key} = {value}" for key, value in fix["settings"].items())
    return (
        f"set and lock for every user (dconf database storewarden): {settings}",
        f"为全部用户设置并锁定（dconf 数据库 storewarden）：{settings}",
    )


HOST_TEXTS: dict[str, Callable[[_Fix], tuple[str, str]]] = {
    "audit_rules": _audit_rules,
    "close_ports": _close_ports,
    "dconf": _dconf,
    "firewall": _firewall,
    "journald": _journald,
    "log_forward": _log_forward,
    "logrotate": _logrotate,
    "membership": _membership,
    "mount": _mount,
    "time_sync": _time_sync,
}
