# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``dconf``: settings of the desktop for every user, locked, so that nobody takes them back."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening import kind_comment_out
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.telling import words
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.together import together
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
)

_PROFILE = "/etc/dconf/profile/user"
_NAME = "storewarden"
_HEADER = "# Written by storewarden.\n"


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``settings: {/path/of/key: value as dconf writes it}``; ``clear``: the same keys in other key
    files are commented out."""
    if not system.has_command("dconf"):
        raise FixFailed(
            "dconf is not installed: a kiosk that locks by itself is declared in"
            " baseline_pos_kiosk_lock_seconds",
            "未安装 dconf：自带锁屏的收银界面请在 baseline_pos_kiosk_lock_seconds 中声明",
        )
    settings = {str(key): str(value) for key, value in fix["settings"].items()}
    folder = "/etc/dconf/db/{0}.d".format(_NAME)
    texts = {
        _PROFILE: _profile(content(system, _PROFILE)),
        folder + "/00-storewarden": _keyfile(settings),
        folder + "/locks/00-storewarden": "".join(one + "\n" for one in settings),
    }
    texts = {path: text for path, text in texts.items() if content(system, path) != text}
    clear = words(fix.get("clear"))
    names = "|".join(sorted({key.rsplit("/", 1)[1] for key in settings}))
    match = r"^({0})\s*=".format(names)
    files = {"files": clear, "match": match, "keep": [folder + "/00-storewarden"]}
    step = together([_written(system, texts), kind_comment_out.plan(system, files)])
    compiled = "/etc/dconf/db/" + _NAME
    if not step.changes and system.exists(compiled):
        return Step()
    inner = step.act

    def act(hands: Any) -> None:
        inner(hands)
        hands.run(["dconf", "update"])

    before = "old" if system.exists(compiled) else None
    changes = (*step.changes, Change(compiled, before, "made"))
    others = [{"kind": "file", "path": one} for one in system.glob("/etc/dconf/db/*")]
    return step._replace(
        changes=changes,
        act=act,
        items=(*step.items, *file_items(system, compiled), *others),
    )


def _written(system: Any, texts: dict[str, str]) -> Step:
    def act(hands: Any) -> None:
        for path, text in texts.items():
            hands.write(path, text)

    shown = {path: "other content" if content(system, path) is not None else None for path in texts}
    changes = tuple(Change(path, shown[path], "ours") for path in texts)
    items = tuple(item for path in texts for item in file_items(system, path))
    return Step(changes, items, act)


def _profile(text: str | None) -> str:
    """Our database behind the user's own, in front of the other ones."""
    lines = (text or "user-db:user\n").splitlines()
    ours = "system-db:" + _NAME
    if ours in [line.strip() for line in lines]:
        return text or ""
    place = next((n for n, one in enumerate(lines) if one.strip().startswith("system-db:")), None)
    lines.insert(len(lines) if place is None else place, ours)
    return "".join(line + "\n" for line in lines)


def _keyfile(settings: dict[str, str]) -> str:
    sections: dict[str, list[str]] = {}
    for key, value in settings.items():
        folder, name = key.rsplit("/", 1)
        sections.setdefault(folder.strip("/"), []).append("{0}={1}".format(name, value))
    return _HEADER + "".join(
        "[{0}]\n{1}".format(name, "".join(line + "\n" for line in lines))
        for name, lines in sections.items()
    )
