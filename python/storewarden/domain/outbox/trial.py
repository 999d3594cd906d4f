# SPDX-License-Identifier: GPL-3.0-or-later
"""A message that only asks whether messages arrive; who reads it has nothing to do."""

from __future__ import annotations

from datetime import datetime

from storewarden.domain.outbox.digest import ChannelRules
from storewarden.domain.outbox.notice import Text
from storewarden.domain.outbox.places import moment


def trial(rules: ChannelRules, by: str, at: datetime) -> tuple[str, str]:
    """Title and text for the channel of ``rules``, in its language; ``by`` is who asked."""
    when = moment(at, rules.zone)
    title = Text(en=f"test of the channel {rules.name}", zh=f"通知渠道 {rules.name} 测试")
    what = Text(en=f"{by} asked for this test at {when.en}.", zh=f"{by} 于 {when.zh}发起此次测试。")
    todo = Text(
        en="Next: nothing. Whoever can read this is reached by storewarden.",
        zh="下一步：无需操作。能看到本消息，说明 storewarden 的通知可以送达。",
    )
    lines = [each.in_(rules.language) for each in (what, todo)]
    return f"[{rules.site}] {title.in_(rules.language)}", "\n".join(lines)
