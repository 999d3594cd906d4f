# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for a channel through which nothing goes: no single delivery is to blame."""

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
        label=Text(en="channel blocked", zh="通道受阻"),
        title=Text(en=f"nothing goes through {channel}", zh=f"{channel} 全部无法投递"),
        what=Text(en=f"the reason: {error.en}", zh=f"原因：{error.zh}"),
        where=Text(en=channel, zh=channel),
        done=Text(
            en="nothing is parked or lost; it is tried again every few minutes",
            zh="未暂停、未丢失，每隔几分钟重试一次",
        ),
        next=Text(
            en="check the account, its secrets and the fields: storewarden doctor",
            zh="请检查账号、密钥和字段：storewarden doctor",
        ),
    )
