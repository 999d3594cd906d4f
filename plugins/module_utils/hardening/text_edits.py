# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes of text files as functions from text to text, several of them to one file in a row.

Only what differs is written, and with what the file says at the moment of the plan: each step of
a fix is planned anew right before it is made.
"""

from __future__ import annotations

import re
from typing import Any, Callable, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.operators import judge
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.touching import (
    content,
    file_items,
)

OFF = "# off, storewarden: "  # in front of a line that was in the way


class Edit(NamedTuple):
    """A change of one file. ``mode`` is that of a file which is not there yet."""

    path: str
    change: Callable[[str], str]
    mode: int | None = None


class Writing(NamedTuple):
    """What a file is going to say."""

    path: str
    text: str
    mode: int | None


class Style(NamedTuple):
    """How a file writes its settings."""

    form: str = "{0} = {1}"
    split: str = r"\s*=\s*|\s+"
    fold: bool = False  # names count in any case
    comments: bool = True  # "#" ends a line wherever it stands


LOGIN_DEFS = Style("{0}\t{1}", r"\s+", False, False)


def ours(path: str) -> bool:
    """Whether a file is one that only fixes of controls write."""
    return "storewarden" in path.rsplit("/", 1)[-1]


def text_of(system: Any, path: str) -> str:
    """The file's text, empty when there is none. Raises FixFailed when it may not be written."""
    return content(system, path) or ""


def written(system: Any, edits: list[Edit]) -> list[Writing]:
    """The files that the edits change, each with all of its edits made."""
    texts: dict[str, str] = {}
    for edit in edits:
        texts[edit.path] = edit.change(texts.get(edit.path, text_of(system, edit.path)))
    modes = {edit.path: edit.mode for edit in reversed(edits)}
    return [
        Writing(path, text, modes[path])
        for path, text in texts.items()
        if text != text_of(system, path)
    ]


def items(system: Any, writings: list[Writing]) -> list[dict[str, Any]]:
    """Restore point items for all files that are written."""
    return [item for one in writings for item in file_items(system, one.path)]


def make(hands: Any, writings: list[Writing]) -> None:
    """Write them."""
    for one in writings:
        hands.write(one.path, one.text, one.mode)


# -- settings in such files -------------------------------------------------------------------


def setting_in(line: str, style: Style) -> tuple[str, str] | None:
    """(name, value) of a line, None for an empty one or a comment."""
    text = line.split("#", 1)[0] if style.comments else line
    text = text.strip()
    if not text or text[0] == "#":
        return None
    words = re.split(style.split, text, maxsplit=1)
    name = words[0].lower() if style.fold else words[0]
    return name, words[1].strip() if len(words) > 1 else ""


def value_in(text: str, name: str, style: Style) -> str | None:
    """The value of the last line with this name."""
    found = None
    for line in text.split("\n"):
        setting = setting_in(line, style)
        found = setting[1] if setting and setting[0] == name else found
    return found


def with_setting(text: str, name: str, value: Any, style: Style) -> str:
    """The last line with this name says ``value`` (True: the bare name); the others are off."""
    line = name if value is True else style.form.format(name, value)
    lines = text.split("\n")
    places = [n for n, one in enumerate(lines) if (setting_in(one, style) or ("",))[0] == name]
    if not places:
        return with_line(text, line)
    for place in places[:-1]:
        lines[place] = OFF + lines[place]
    lines[places[-1]] = line
    return "\n".join(lines)


def with_line(text: str, line: str) -> str:
    """The text with one more line at its end."""
    return text + ("" if not text or text.endswith("\n") else "\n") + line + "\n"


def without_lines(text: str, unwanted: Callable[[str], bool], mark: str = OFF) -> str:
    """The text with its unwanted lines made comments."""
    return "\n".join(mark + one if unwanted(one) else one for one in text.split("\n"))


def good(system: Any, expect: Any, value: Any) -> bool:
    """Whether an observed value is good enough: by one ``expect``, or by one of a list of them."""
    several = expect if isinstance(expect, list) else [expect]
    return any(judge(one, value, system.now()) for one in several)


def first_good(system: Any, expect: Any, choices: Any) -> Any:
    """The first of the choices that is good enough, else the first; one value is its own choice."""
    values = choices if isinstance(choices, list) else [choices]
    return next((one for one in values if good(system, expect, str(one))), values[0])
