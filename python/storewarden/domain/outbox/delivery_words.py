# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for a ticket system that refuses everything: no single ticket is to blame."""

from __future__ import annotations

from storewarden.domain.outbox.notice import Event, Severity, Text, Words
from storewarden.domain.outbox.places import quoted

BLOCKED = "channel blocked"


def blocked_words(event: Event) -> Words:
    """The words for it; the journal has it once a day at most."""
    channel = str(event.body.get("channel", ""))
    error = quoted(event.body.get("error"), Text(en="no reason given", zh="未说明原因"))
    return Words(
        severity=Severity.WARNING,
        label=Text(en="channel refused", zh="通道被拒"),
        title=Text(en=f"{channel} refuses everything", zh=f"{channel} 拒绝所有请求"),
        what=Text(en=f"it answers: {error.en}", zh=f"对方答复：{error.zh}"),
        where=Text(en=channel, zh=channel),
        done=Text(
            en="nothing is parked or lost; it is tried again every few minutes",
            zh="未暂停、未丢失，每隔几分钟重试一次",
        ),
        next=Text(
            en="check the account, its token and the fields: storewarden doctor",
            zh="请检查账号、令牌和字段：storewarden doctor",
        ),
    )
