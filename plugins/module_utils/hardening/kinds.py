# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All kinds of fixes: name -> ``plan(system, step of a fix) -> Step``.

Ansible finds what to send to the host by reading import statements, so this list is written out
instead of found by scanning the folder. The fields of each kind are in control_schema.FIXES and its
words for reports in control_fix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    kind_account,
    kind_aging,
    kind_audit_rules,
    kind_close_ports,
    kind_comment_out,
    kind_dconf,
    kind_drop_in,
    kind_file,
    kind_firewall,
    kind_journald,
    kind_kmod,
    kind_log_forward,
    kind_logrotate,
    kind_manual,
    kind_mariadb,
    kind_membership,
    kind_mode,
    kind_mount,
    kind_packages,
    kind_pam,
    kind_pam_args,
    kind_pam_setting,
    kind_postgresql,
    kind_setting,
    kind_shell_timeout,
    kind_sshd,
    kind_sudoers,
    kind_sysctl,
    kind_time_sync,
    kind_unit,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed, Step

KINDS: dict[str, Callable[[Any, dict[str, Any]], Step]] = {
    "account": kind_account.plan,
    "aging": kind_aging.plan,
    "audit_rules": kind_audit_rules.plan,
    "close_ports": kind_close_ports.plan,
    "comment_out": kind_comment_out.plan,
    "dconf": kind_dconf.plan,
    "drop_in": kind_drop_in.plan,
    "file": kind_file.plan,
    "firewall": kind_firewall.plan,
    "journald": kind_journald.plan,
    "kmod": kind_kmod.plan,
    "log_forward": kind_log_forward.plan,
    "logrotate": kind_logrotate.plan,
    "manual": kind_manual.plan,
    "mariadb": kind_mariadb.plan,
    "membership": kind_membership.plan,
    "mode": kind_mode.plan,
    "mount": kind_mount.plan,
    "packages": kind_packages.plan,
    "pam": kind_pam.plan,
    "pam_args": kind_pam_args.plan,
    "pam_setting": kind_pam_setting.plan,
    "postgresql": kind_postgresql.plan,
    "setting": kind_setting.plan,
    "shell_timeout": kind_shell_timeout.plan,
    "sshd": kind_sshd.plan,
    "sudoers": kind_sudoers.plan,
    "sysctl": kind_sysctl.plan,
    "time_sync": kind_time_sync.plan,
    "unit": kind_unit.plan,
}


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """What one step of a fix comes to on this host. Raises FixFailed or ProbeError."""
    kind = KINDS.get(str(fix.get("kind")))
    if kind is None:
        raise FixFailed("no kind of fix is called {0}".format(fix.get("kind")))
    return kind(system, fix)
