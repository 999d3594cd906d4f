# SPDX-License-Identifier: GPL-3.0-or-later
"""The words for a host that took a change back by itself.

Nobody asked it to: the controller, the line or the login was gone. So somebody has to look why,
and whoever answers for the change must know that it does not hold there.
"""

from __future__ import annotations

from storewarden.domain.outbox.notice import Event, Severity, Text, Words
from storewarden.domain.outbox.places import names, quoted

RESTORED = "host restored itself"
_NONE = Text(en="no reason given", zh="未说明原因")


def restored_words(event: Event) -> Words:
    """The words; urgent when something could not be put back."""
    host, point = str(event.body.get("host", "")), str(event.body.get("point", ""))
    residue = _texts(event.body.get("residue"))
    change = str(event.body.get("owner", ""))
    return Words(
        severity=Severity.URGENT if residue else Severity.WARNING,
        label=Text(en="host restored itself", zh="主机自行回滚"),
        title=Text(en=f"{host} took a change back by itself", zh=f"{host} 已自行回滚变更"),
        what=_what(event, point),
        where=Text(en=host, zh=host),
        done=_done(residue),
        next=_next(change, host),
    )


def _what(event: Event, point: str) -> Text:
    reason = quoted(event.body.get("reason"), _NONE)
    return Text(en=f"restore point {point}: {reason.en}", zh=f"恢复点 {point}：{reason.zh}")


def _done(residue: tuple[str, ...]) -> Text:
    if not residue:
        return Text(en="the host is as it was before", zh="主机已恢复到变更前的状态")
    left = names(residue)
    return Text(en=f"put back, except for: {left.en}", zh=f"已恢复，但以下除外：{left.zh}")


def _next(change: str, host: str) -> Text:
    show = f"storewarden harden status --change {change}"
    return Text(
        en=f"find out what kept {host} from being confirmed ({show}), then harden it again",
        zh=f"查明 {host} 未能确认的原因（{show}），然后重新加固",
    )


def _texts(raw: object) -> tuple[str, ...]:
    return tuple(str(each) for each in raw) if isinstance(raw, list | tuple) else ()
