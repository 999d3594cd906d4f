# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ``restic check`` found, and which snapshots it concerns.

``check`` names packs and trees; nobody restores those. The repository's own index says which
blobs a pack had, also when the file is gone, and ``restic find`` says who needs them. Where that
leads nowhere, every snapshot counts as damaged: better one restore too few believed in.
"""

from __future__ import annotations

import json
import os
import re
from typing import NamedTuple

from .failures import BackupFailure, Interrupted
from .restic_runs import Restic, failure
from .work import Ran, Work

_PACK = re.compile(r"^(?:error: )?pack ([0-9a-f]{64})(?::| failed| contains)(.*)$", re.MULTILINE)
_FLIPPED = re.compile(r"Pack ID does not match, want ([0-9a-f]{8,64})")
_TREE = re.compile(r"error for tree ([0-9a-f]{8,64})")
_BLOB = re.compile(r"blob ([0-9a-f]{64})")
_HARMLESS = re.compile(r"not referenced in any index|additional files were found")
_OF_SNAPSHOT = re.compile(r"belongs to snapshot ([0-9a-f]{64})")
# A set's own entry that cannot be read: that set is not listed any more, the others stand.
_LOST = re.compile(r"^error: load <snapshot/[0-9a-f]+>.*$", re.MULTILINE)
_PLAIN = re.compile(
    r"load indexes|check .*|read .*|using temporary cache.*|\[.*|Fatal: repository contains errors|"
)
_MANY = 1000  # ids in one call; an argument list may have 2 MiB


class Found(NamedTuple):
    """``packs``: id -> what is wrong; ``trees``: ids, maybe short; ``said``: the last words."""

    packs: dict[str, str]
    trees: tuple[str, ...]
    said: str

    def __bool__(self) -> bool:
        return bool(self.packs or self.trees or self.said)


def damage(work: Work, restic: Restic, part: tuple[int, int] | None) -> dict[str, str]:
    """Snapshot -> what is wrong with it; "*" -> what nobody can lay to one. ``part``: read the
    data too. Raises BackupFailure when the check itself could not be done."""
    found = _checked(restic, [])
    if not found and part is not None:
        # restic tries for minutes to read a file that is not there: only what is there is read.
        found = _checked(restic, ["--read-data-subset={0}/{1}".format(*part)])
    elif found and part is not None:
        work.note(
            "the data were not read: the repository's structure is damaged already",
            "仓库结构已损坏，未读取数据",
        )
    return _laid(work, restic, found) if found else {}


def _checked(restic: Restic, words: list[str]) -> Found:
    # Its own lock would be exclusive, and somebody else's old one would keep us from looking. Our
    # jobs keep apart by the target's lock; what others add meanwhile does not look like damage.
    ran = restic.call("--no-lock", "check", *words, wordy=True)
    text = ran.out + "\n" + ran.err
    if ran.rc == 0 and "no errors were found" in text:
        return Found({}, (), "")
    if "check snapshots" not in text and "repository contains errors" not in text:
        raise failure(ran, "check")
    return _read(text, ran)


def _read(text: str, ran: Ran) -> Found:
    if ran.rc < 0:
        raise failure(ran, "check")
    rest = _LOST.sub("", text)
    if rest != text and all(_PLAIN.fullmatch(line.strip()) for line in rest.splitlines()):
        return Found({}, (), "")
    packs = dict.fromkeys(_FLIPPED.findall(text), "is damaged")
    for one, wrong in _PACK.findall(text):
        if not _HARMLESS.search(wrong):
            packs.setdefault(one, wrong.strip() or "is damaged")
    trees = tuple(sorted(set(_TREE.findall(text))))
    if ran.cut:
        return Found(packs, trees, "there is more damage than can be told")
    return Found(packs, trees, "" if packs or trees else ran.last)


def _laid(work: Work, restic: Restic, found: Found) -> dict[str, str]:
    laid: dict[str, str] = {}
    contents = _contents(work, restic) if found.packs else {}
    for pack, wrong in found.packs.items():
        _add(
            laid,
            _who(work, restic, contents.get(pack, [])),
            "pack {0} {1}".format(pack[:10], wrong),
        )
    if found.trees:
        who = _who(work, restic, list(found.trees), kind="--tree")
        _add(laid, who, "folder list {0} cannot be read".format(", ".join(found.trees)[:80]))
    if found.said:
        _add(laid, set(), found.said)
    return laid


def _add(laid: dict[str, str], who: set[str], wrong: str) -> None:
    for one in who or {"*"}:
        laid[one] = "; ".join(filter(None, (laid.get(one, ""), wrong)))[:500]


def _contents(work: Work, restic: Restic) -> dict[str, list[str]]:
    """Pack -> ids of its blobs, by the repository's index."""
    known: dict[str, list[str]] = {}
    path = os.path.join(work.folder, "index.json")
    for name in restic.must("list", "index").out.split():
        try:
            restic.must("cat", "index", name, into=path)
            with open(path, encoding="utf-8") as source:
                packs = json.load(source).get("packs") or []
        except Interrupted:
            raise
        except (BackupFailure, ValueError):
            continue
        for pack in packs:
            known.setdefault(pack["id"], []).extend(blob["id"] for blob in pack["blobs"])
    return known


def _who(work: Work, restic: Restic, ids: list[str], kind: str = "--blob") -> set[str]:
    """Snapshots that need one of these; also those whose folder lists cannot be read on the way."""
    who: set[str] = set()
    path = os.path.join(work.folder, "found.json")
    for begin in range(0, len(ids), _MANY):
        ran = restic.call("find", "--json", kind, *ids[begin : begin + _MANY], into=path)
        known = _OF_SNAPSHOT.findall(ran.err)
        who.update(known)
        who.update(_named(path))
        if ran.rc < 0:
            raise failure(ran, "find")
        if (ran.rc and not known) or ran.cut:
            who.add("*")  # it broke off: nobody knows who comes after
    return who


def _named(path: str) -> set[str]:
    """Snapshots of an answer that may be long, and is one line."""
    found, rest = set[str](), ""
    with open(path, encoding="utf-8", errors="replace") as source:
        for piece in iter(lambda: source.read(1 << 20), ""):
            found.update(re.findall(r'"snapshot":"([0-9a-f]{64})"', rest + piece))
            rest = piece[-100:]
    return found
