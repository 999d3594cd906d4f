# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of storewarden itself, on the controller: its own command makes the copy, and its own
verification opens it again (docs/operators/ledger.md)."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from typing import Any, Iterator

from .failures import BackupFailure, NoRoom, Rejected, Unfit
from .folder_method import FolderMethod, Produced
from .method import Instance, Restored
from .work import Ran, Work

_FILE = "ledger.sqlite"
_ANCHORS = "anchors"
_DEFAULT = ["storewarden", "ledger", "backup"]


class Ledger(FolderMethod):
    """``source``: ``command`` (a list of words that end with ``backup``), ``config`` (the site's
    file), ``state`` (its state folder, where there is no file). Passwords are the site's own
    business: its settings name them. ``anchors``: its anchor file."""

    name = "ledger"
    kinds = ("full",)

    def fits(self, work: Work) -> None:
        words = _command(work, "backup")
        if not work.has(words[0]):
            raise Unfit(words[0] + " is not installed", words[0] + " 未安装")

    def produce(self, work: Work, folder: str) -> Produced:
        work.tool = "storewarden ledger"
        target = os.path.join(folder, _FILE)
        # First, so that it names no entry that the copy does not have yet.
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(_anchors(work), os.path.join(folder, _ANCHORS))
        ran = work.run([*_command(work, "backup"), target, *_config(work)], env=_home(work))
        if ran.rc != 0 or not os.path.isfile(target):
            raise _failure(ran)
        return Produced(_facts(folder), "full", "")

    def examined(self, work: Work, folders: tuple[str, ...]) -> list[str]:
        """The copy has to be the one that its own manifest tells of."""
        try:
            _facts(folders[-1])
        except Rejected as error:
            return [error.en]
        return []

    @contextlib.contextmanager
    def opened(self, work: Work, restored: Restored, scratch: str) -> Iterator[Instance]:
        site = os.path.join(scratch, "site")
        os.mkdir(site, 0o700)
        config = os.path.join(site, "storewarden.yml")
        state = os.path.join(site, "state")
        with open(config, "w", encoding="utf-8") as out:
            # JSON is YAML: a path may hold anything.
            out.write("state_dir: {0}\n".format(json.dumps(state)))
        came = os.path.join(restored.folders[-1], _FILE)
        os.mkdir(state, 0o700)
        with contextlib.suppress(FileNotFoundError):
            anchors = os.path.join(restored.folders[-1], _ANCHORS)
            shutil.copyfile(anchors, os.path.join(state, _FILE + ".anchors"))
        words = [*_command(work, "restore"), came, "--config", config]
        ran = work.run(words, cwd=site, env={"HOME": site})
        if ran.rc != 0:
            raise _failure(ran)
        yield _Copy(work, config, restored)

    def put_back(self, work: Work, restored: Restored, scratch: str) -> list[str]:
        """The ledger that is there is kept, and nothing that it alone has is given up unasked."""
        came = os.path.join(restored.folders[-1], _FILE)
        words = [*_command(work, "restore"), came, "--replace", *_config(work)]
        ran = work.run(words, env=_home(work))
        if ran.rc != 0:
            raise _failure(ran)
        return ran.out.splitlines()


class _Copy(Instance):
    """A site in a scratch place whose ledger is the copy."""

    def __init__(self, work: Work, config: str, restored: Restored) -> None:
        self._work = work
        self._config = config
        self._restored = restored

    def structure(self) -> list[str]:
        words = [*_command(self._work, "verify"), "--config", self._config]
        ran = self._work.run(words, env={"HOME": os.path.dirname(self._config)})
        lines = [line for line in (ran.out + ran.err).splitlines() if line.strip()]
        return [] if ran.rc == 0 else (lines[:20] or [ran.last])

    def manifest(self) -> dict[str, Any]:
        return _facts(self._restored.folders[-1])


def _command(work: Work, verb: str) -> list[str]:
    """The words for another verb of the ledger's: they differ in the last one."""
    words = work.order.source.get("command", _DEFAULT)
    words = words.split() if isinstance(words, str) else [str(word) for word in words]
    if len(words) < 2 or words[-1] != "backup":
        raise Unfit(
            "source.command has to end with the word backup", "source.command 必须以 backup 结尾"
        )
    return [*words[:-1], verb]


def _config(work: Work) -> list[str]:
    config = work.order.source.get("config")
    return ["--config", str(config)] if config else []


def _anchors(work: Work) -> str:
    """The site's anchor file: what the journal is held against."""
    source = work.order.source
    if source.get("anchors"):
        return str(source["anchors"])
    state = os.path.join(str(source.get("state", "/var/lib")), "storewarden")
    return os.path.join(state, _FILE + ".anchors")


def _home(work: Work) -> dict[str, str]:
    state = work.order.source.get("state")
    return {"XDG_STATE_HOME": str(state)} if state else {}


def _facts(folder: str) -> dict[str, Any]:
    """Head and number of entries, and the sum of the file, as the copy's own manifest has them.
    Raises Rejected when the file is another one."""
    path = os.path.join(folder, _FILE)
    try:
        with open(path + ".manifest.json", encoding="utf-8") as source:
            told = json.load(source)
        digest = hashlib.sha256()
        with open(path, "rb") as source:
            for block in iter(lambda: source.read(1 << 20), b""):
                digest.update(block)
    except (OSError, ValueError) as error:
        raise Rejected("no copy of a ledger: {0}".format(error), "不是账本副本") from None
    if digest.hexdigest() != told.get("sha256"):
        raise Rejected(
            "the copy of the ledger is not the one that its manifest tells of",
            "账本副本与其清单不符",
        )
    return {"head": told.get("head"), "entries": told.get("entries"), "sha256": told["sha256"]}


def _failure(ran: Ran) -> BackupFailure:
    said = ran.err + ran.out
    if "No space left" in said or "disk is full" in said:
        return NoRoom("no space left for the copy of the ledger", "磁盘空间不足")
    lines = [line for line in said.splitlines() if line.strip()]
    reason = lines[0][:300] if lines else ran.last
    return Rejected("storewarden: " + reason, "storewarden：" + reason)
