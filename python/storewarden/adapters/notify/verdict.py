# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a chat robot really took a message.

The three robots answer 200 to everything and say in a number of the body what became of the
message; software that looks only at the status loses messages without knowing (Apprise 2.2.0
does, for all three). Only a zero is a yes. A number that is not known to pass by itself is
permanent: repeating a message that is refused for good would only hide that nobody is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storewarden.adapters.notify.transport import Answer
from storewarden.domain.errors import AdapterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Robot:
    """Where a robot puts number and words, which numbers pass, and what others mean.

    ``old_code`` is the number's name in an older form of the answer.
    """

    code: str
    words: str
    later: frozenset[int]
    hints: Mapping[int, str] = field(default_factory=dict)
    old_code: str = ""


def judge(answer: Answer, robot: Robot) -> str:
    """The robot's own words. Raises AdapterError unless its number says that it took the
    message."""
    data = answer.data()
    code = data.get(robot.code, data.get(robot.old_code) if robot.old_code else None)
    if type(code) is int and code == 0:
        return f"{robot.code} 0 {answer.said(data.get(robot.words, ''))}".rstrip()
    if type(code) is not int:
        raise AdapterError(
            f"answered {answer.status} without the number {robot.code}, so nothing is certain",
            where=answer.where,
            hint="a gateway is in between, or the url is of something else",
            retryable=True,
        )
    raise AdapterError(
        f"refused with {robot.code} {code}: {answer.said(data.get(robot.words, ''))}",
        where=answer.where,
        hint=robot.hints.get(code, ""),
        retryable=code in robot.later,
    )
