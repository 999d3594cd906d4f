# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PAM stacks as files: where a line of a service stands, and what a file would be with other lines.

A control such as ``[success=2 default=ignore]`` counts the lines that it jumps over. Whoever puts
a line between would send a good password into ``pam_deny``, so each jump is counted anew.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.pam import (
    WORD,
    file_of,
    plain,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.text_edits import text_of

_DEPTH = 16  # the library's own limit on substacks
_JUMP = re.compile(r"=(\d+)")
_TIED = re.compile(r"\[[^\]]*\bsuccess=(\d+|done)\b[^\]]*\]$|sufficient$")
STORE, REFUSE = "pam_unix", "pam_deny"


class Line(NamedTuple):
    """One line of a stack; ``place`` is its number in its file, from 0."""

    path: str
    place: int
    control: str
    module: str
    args: tuple[str, ...]


class Wanted(NamedTuple):
    """A line that must stand before or after pam_unix in the stacks of one type."""

    type: str
    side: str  # before | after
    control: str
    module: str
    args: tuple[str, ...]
    accept: str = ""  # a pattern: a line with such a control will do as well
    needed: tuple[str, ...] = ()  # arguments without which a line will not do
    optional: bool = False  # comes along with the others, is not missed by itself

    def text(self, initial: bool = False) -> str:
        """The line without its type; ``initial`` as the first of its stack: nobody asked before."""
        args = [one for one in self.args if not (initial and one == "use_authtok")]
        return " ".join([self.control, self.module, *args])

    def is_at(self, line: Line) -> bool:
        return (
            plain(line.module) == plain(self.module)
            and bool(line.control == self.control or self._accepts(line.control))
            and set(self.needed) <= set(line.args)
        )

    def _accepts(self, control: str) -> bool:
        return bool(self.accept) and bool(re.search(self.accept, control))


def wanted(entry: dict[str, Any]) -> Wanted:
    """``{type, side, line, accept?, args?, optional?}`` of a control's fix."""
    words = WORD.findall(entry["line"])
    return Wanted(
        entry["type"],
        entry["side"],
        words[0],
        words[1],
        tuple(words[2:]),
        entry.get("accept", ""),
        tuple(entry.get("args", words[2:])),
        bool(entry.get("optional")),
    )


def lines_of(system: Any, service: str, kind: str) -> list[Line]:
    """The stack of a service, includes in place. Empty for a service without a file."""
    found: list[Line] = []
    _walk(system, service, kind, found, 0)
    return found


def refuse_authselect(system: Any, en: str, zh: str) -> None:
    """authselect owns the PAM files of its host and writes them anew; the texts say what to do."""
    if system.exists("/etc/authselect/authselect.conf"):
        raise FixFailed(
            "authselect writes the PAM files of this host: {0}".format(en),
            "本机的 PAM 文件由 authselect 生成：{0}".format(zh),
        )


def _walk(system: Any, service: str, kind: str, found: list[Line], depth: int) -> None:
    path = file_of(system, service)
    if path is None or depth > _DEPTH:
        return
    for place, raw in enumerate(text_of(system, path).split("\n")):
        words = words_of(raw)
        if words and raw.rstrip().endswith("\\"):
            raise FixFailed(
                "{0} has a continued line: join it by hand first".format(path),
                "{0} 含有续行：请先手工合并".format(path),
            )
        if len(words) > 1 and words[0] == "@include":
            _walk(system, words[1], kind, found, depth + 1)
        elif len(words) > 2 and words[0].lower().lstrip("-") == kind:
            if words[1] in ("include", "substack"):
                _walk(system, words[2], kind, found, depth + 1)
                continue
            control = " ".join(words[1].split())
            found.append(Line(path, place, control, words[2], tuple(words[3:])))


def words_of(raw: str) -> list[str]:
    return WORD.findall(raw.split("#", 1)[0])


def lacking(lines: list[Line], wishes: list[Wanted]) -> list[Wanted]:
    """Which of the lines are not where they must be; none when only optional ones are not."""
    first = next((n for n, one in enumerate(lines) if plain(one.module) == STORE), len(lines))
    sides = {"before": lines[:first], "after": lines[first + 1 :]}
    found = [one for one in wishes if not any(map(one.is_at, sides[one.side]))]
    return found if any(not one.optional for one in found) else []


def pam_files(lines: list[Line]) -> list[str]:
    """Files of this stack in which pam_unix stands."""
    return list(dict.fromkeys(one.path for one in lines if plain(one.module) == STORE))


# -- another text for one file ----------------------------------------------------------------


class _Entry:
    """A line of the wanted type in the file; ``target``: where each number of its control leads."""

    def __init__(self, raw: str, words: list[str]) -> None:
        self.raw = raw
        self.include = words[0] == "@include" or words[1] in ("include", "substack")
        self.module = "" if self.include else plain(words[2])
        self.control = "" if self.include else words[1]
        self.targets: list[_Entry | None] = []


def rebuilt(path: str, text: str, kind: str, wishes: list[Wanted]) -> str:
    """The file with the wished lines as its only lines of their module. FixFailed: too unusual."""
    lines = text.split("\n")
    entries = {
        place: _Entry(raw, words)
        for place, raw in enumerate(lines)
        for words in [words_of(raw)]
        if _is_entry(words, kind)
    }
    _aim(path, list(entries.values()))
    modules = {plain(one.module) for one in wishes}
    kept: list[_Entry | str] = [
        entries.get(place, raw)
        for place, raw in enumerate(lines)
        if place not in entries or entries[place].module not in modules
    ]
    _put(path, kept, kind, wishes)
    return "\n".join(_written(kept, list(entries.values())))


def _is_entry(words: list[str], kind: str) -> bool:
    if len(words) > 1 and words[0] == "@include":
        return True
    return len(words) > 2 and words[0].lower().lstrip("-") == kind


def _aim(path: str, entries: list[_Entry]) -> None:
    for place, entry in enumerate(entries):
        for number in map(int, _JUMP.findall(entry.control)):
            if any(one.include for one in entries[place + 1 : place + number + 1]):
                raise FixFailed(
                    "{0}: a jump leads over an include; change it by hand".format(path),
                    "{0}：跳转跨越了 include 行，请手工修改".format(path),
                )
            target = place + number + 1
            entry.targets.append(entries[target] if target < len(entries) else None)


def _put(path: str, kept: list[_Entry | str], kind: str, wishes: list[Wanted]) -> None:
    places = [n for n, one in enumerate(kept) if isinstance(one, _Entry) and one.module == STORE]
    if not places:
        raise FixFailed(
            "{0}: no pam_unix line of type {1}".format(path, kind),
            "{0}：没有类型为 {1} 的 pam_unix 行".format(path, kind),
        )
    behind = [_entry(kind, one) for one in wishes if one.side == "after"]
    if behind:
        last = kept[places[-1]]
        if not isinstance(last, _Entry) or not _TIED.search(last.control):
            raise FixFailed(
                "{0}: pam_unix is neither sufficient nor jumps on success, so nothing may follow "
                "it; use the stack of common-{1}".format(path, kind),
                "{0}：pam_unix 既非 sufficient 也不在成功时跳转，其后不能再加行；"
                "请改用 common-{1}".format(path, kind),
            )
        end = _refusal(kept, places[-1])
        kept[end:end] = behind
    kept[places[0] : places[0]] = [_entry(kind, one) for one in wishes if one.side == "before"]


def _refusal(kept: list[_Entry | str], after: int) -> int:
    """In front of pam_deny when it comes next to the modules that ask; else behind pam_unix."""
    for place in range(after + 1, len(kept)):
        one = kept[place]
        if isinstance(one, _Entry) and one.module == REFUSE:
            return place
    return after + 1


def _entry(kind: str, wish: Wanted) -> _Entry:
    raw = "{0}\t{1}".format(kind, wish.text())
    return _Entry(raw, words_of(raw))


def _written(kept: list[_Entry | str], before: list[_Entry]) -> list[str]:
    """The lines, their jumps counted anew; a target that is gone is the next that is not."""
    after = [one for one in kept if isinstance(one, _Entry)]
    return [one if isinstance(one, str) else _line(one, before, after) for one in kept]


def _line(entry: _Entry, before: list[_Entry], after: list[_Entry]) -> str:
    if not entry.targets:
        return entry.raw
    here = after.index(entry)
    numbers = [_place(one, before, after) - here - 1 for one in entry.targets]
    control = _JUMP.sub(lambda _m: "={0}".format(max(numbers.pop(0), 1)), entry.control)
    return entry.raw.replace(entry.control, control, 1)


def _place(target: _Entry | None, before: list[_Entry], after: list[_Entry]) -> int:
    if target is None:
        return len(after)
    for one in before[before.index(target) :]:
        if one in after:
            return after.index(one)
    return len(after)


def without_args(
    text: str, kind: str, module: str, names: tuple[str, ...], instead: str = ""
) -> str:
    """The file with these arguments gone from the module's lines; the rest stays as written."""
    return "\n".join(_spared(one, kind, module, names, instead) for one in text.split("\n"))


def _spared(raw: str, kind: str, module: str, names: tuple[str, ...], instead: str) -> str:
    words = words_of(raw)
    if not _is_entry(words, kind) or words[0] == "@include" or plain(words[2]) != plain(module):
        return raw
    gone = [one for one in words[3:] if one.strip("[]").partition("=")[0] in names]
    code, mark, comment = raw.partition("#")
    for one in gone:
        code = re.sub(r"\s+" + re.escape(one) + r"(?=\s|$)", "", code, count=1)
    if gone and instead and instead not in words[3:]:
        code = code.rstrip() + " " + instead
    return code + (" " if mark and not code.endswith((" ", "\t")) else "") + mark + comment
