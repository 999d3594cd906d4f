# SPDX-License-Identifier: GPL-3.0-or-later
"""Imagined hosts for fixes: looked at as the controls' cases are, and changed by hands that record.

What a fix writes is there when it looks again, so a second plan on the same host shows whether
the fix has settled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.hands import Hands
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_cases import CaseSystem

# how apt-get is called, up to what it shall do
APT = (
    "apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confdef"
    " -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120"
    " -o APT::Get::AutomaticRemove=false"
)


class ImaginedHost(Hands):
    """A case's host whose files change. ``ran``: every command; ``answers``: argv start -> text."""

    def __init__(self, **case: Any) -> None:
        self.case: dict[str, Any] = {"files": {}, **case}
        self.ran: list[str] = []
        self.written: dict[str, str | None] = {}
        self.modes_given: dict[str, tuple[int | None, str | None, str | None]] = {}
        self.answers: dict[str, str | FixFailed | Callable[[], None]] = {}

    def look(self) -> CaseSystem:
        """The host as it is by now."""
        return CaseSystem(self.case)

    def text(self, path: str) -> str:
        """The text of a file."""
        given = self.case["files"][path]
        return str(given["content"] if isinstance(given, Mapping) else given)

    def write(self, path: str, text: str, mode: int | None = None) -> None:
        given = self.case["files"].get(path)
        rest = dict(given) if isinstance(given, Mapping) else {}
        if given is None and mode is not None:
            rest["mode"] = f"{mode:04o}"
        self.case["files"][path] = {**rest, "content": text}
        self.written[path] = text

    def remove(self, path: str) -> None:
        self.case["files"].pop(path, None)
        self.written[path] = None

    def modes(self, path: str, mode: int | None, owner: str | None, group: str | None) -> None:
        given = self.case["files"].get(path, "")
        entry = dict(given) if isinstance(given, Mapping) else {"content": given}
        wanted = {"mode": mode and f"{mode:04o}", "owner": owner, "group": group}
        self.case["files"][path] = entry | {key: one for key, one in wanted.items() if one}
        self.modes_given[path] = (mode, owner, group)

    def run(self, argv: list[str], seconds: float = 60.0, stdin: str = "") -> str:
        line = " ".join(argv)
        self.ran.append(line)
        for start, answer in self.answers.items():
            if line.startswith(start):
                if isinstance(answer, FixFailed):
                    raise answer
                if callable(answer):
                    answer()
                    return ""
                return answer
        return ""


def lines(*texts: str) -> str:
    """A file of these lines."""
    return "".join(text + "\n" for text in texts)


def ss(*sockets: tuple[str, str, int]) -> dict[str, str]:
    """``commands`` that show these listening sockets: (address:port, process, pid)."""
    rows = [
        f'LISTEN 0 128 {place} 0.0.0.0:* users:(("{name}",pid={pid},fd=3))'
        for place, name, pid in sockets
    ]
    return {"ss -H -lntp": lines(*rows)}


def told(step: Any) -> list[tuple[str, Any, Any]]:
    """The changes of a step as plain tuples."""
    return [tuple(change) for change in step.changes]


def paths(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paths among restore point items."""
    return [str(item["path"]) for item in items if "path" in item]
