# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for the states of rollouts, waves and hosts, and for what is done to them."""

from __future__ import annotations

from collections.abc import Mapping

from storewarden.domain.outbox.notice import Text

STATES: Mapping[str, Text] = {
    "draft": Text(en="waits for approval", zh="待批准"),
    "approved": Text(en="approved", zh="已批准"),
    "running": Text(en="running", zh="进行中"),
    "paused": Text(en="paused", zh="已暂停"),
    "held_window": Text(en="waits for its window", zh="等待窗口"),
    "held_freeze": Text(en="held by a freeze", zh="因冻结停止"),
    "aborting": Text(en="going back: waits for what is under way", zh="回退中：等待进行中的操作"),
    "rolling_back": Text(en="rolling back", zh="回退中"),
    "completed": Text(en="completed", zh="已完成"),
    "completed_with_stragglers": Text(en="completed, stragglers left", zh="已完成，尚有掉队主机"),
    "rolled_back": Text(en="rolled back", zh="已回退"),
    "rolled_back_with_debt": Text(en="rolled back, with debt", zh="已回退，尚有欠账"),
    "cancelled": Text(en="cancelled", zh="已取消"),
    "superseded": Text(en="superseded", zh="已被取代"),
}
"""States of a rollout."""

WAVES: Mapping[str, Text] = {
    "pending": Text(en="to come", zh="未开始"),
    "running": Text(en="at work", zh="实施中"),
    "soaking": Text(en="being watched", zh="观察中"),
    "gate": Text(en="being judged", zh="判定中"),
    "held": Text(en="waits for a person", zh="待人工决定"),
    "promoted": Text(en="promoted", zh="已放行"),
    "failed": Text(en="failed", zh="未通过"),
}
"""States of a wave."""

HOSTS: Mapping[str, Text] = {
    "planned": Text(en="to come", zh="未开始"),
    "preflight": Text(en="preflight", zh="预检中"),
    "captured": Text(en="ready", zh="已就绪"),
    "applying": Text(en="being changed", zh="变更中"),
    "verifying": Text(en="being verified", zh="验证中"),
    "soaking": Text(en="verified, being watched", zh="已验证，观察中"),
    "at_target": Text(en="at the target", zh="达到目标"),
    "final": Text(en="at the target", zh="达到目标"),
    "undoing": Text(en="being restored", zh="恢复中"),
    "restored": Text(en="restored", zh="已恢复"),
    "offline_untouched": Text(en="not reached, not touched", zh="不可达，未触及"),
    "offline_touched": Text(en="changed, then not reached", zh="已触及，后不可达"),
    "unknown": Text(en="unknown", zh="状态未知"),
    "attention": Text(en="needs a person", zh="需要人工处理"),
    "skipped": Text(en="nothing to do", zh="无需处理"),
}
"""States of a host."""

PHASES: Mapping[str, Text] = {
    "preflight": Text(en="preflight", zh="预检"),
    "apply": Text(en="change", zh="变更"),
    "judge": Text(en="verify", zh="验证"),
    "undo": Text(en="undo", zh="恢复"),
    "probe": Text(en="probe", zh="探测"),
}
"""What a dispatch does."""

REPORTS: Mapping[str, Text] = {
    "ready": Text(en="ready", zh="就绪"),
    "nothing": Text(en="nothing to do", zh="无需处理"),
    "refused": Text(en="refused", zh="拒绝"),
    "applied": Text(en="changed", zh="已变更"),
    "verified": Text(en="verified", zh="已验证"),
    "restored": Text(en="restored", zh="已恢复"),
    "residue": Text(en="not fully restored", zh="未能完全恢复"),
    "failed": Text(en="failed", zh="失败"),
    "unreachable": Text(en="not reached", zh="不可达"),
    "unknown": Text(en="nobody knows", zh="不明"),
    "not_begun": Text(en="not begun", zh="未开始"),
    "busy": Text(en="still at work", zh="仍在执行"),
    "armed": Text(en="changed, waits for its confirmation", zh="已变更，等待确认"),
    "confirmed": Text(en="at the target", zh="达到目标"),
    "untouched": Text(en="untouched", zh="未触及"),
}
"""What a host says at the end of a phase."""

OUTCOMES: Mapping[str, Text] = {
    "pass": Text(en="pass", zh="通过"),
    "hold": Text(en="cannot tell", zh="无法判定"),
    "fail": Text(en="fail", zh="不通过"),
}
"""What a gate says."""

ORDERS: Mapping[str, Text] = {
    "pause": Text(en="pause", zh="暂停"),
    "resume": Text(en="resume", zh="恢复"),
    "promote": Text(en="promote", zh="放行"),
    "abort": Text(en="abort", zh="中止"),
    "rollback": Text(en="roll back", zh="回退"),
    "release": Text(en="release", zh="释放"),
    "cancel": Text(en="cancel", zh="取消"),
    "supersede": Text(en="take its hosts over", zh="接管其主机"),
}
"""What people may order."""
