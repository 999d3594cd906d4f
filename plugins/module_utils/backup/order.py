# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a job is asked to do: one JSON object, read once, checked whole."""

from __future__ import annotations

import posixpath
import re
from typing import Any, NamedTuple

from .failures import Unfit

FORMAT = 1
VERBS = ("take", "copy", "verify", "drill", "restore", "prune", "canary", "list")
KINDS = ("full", "differential", "incremental", "log")
LOCATION_KINDS = ("host", "path", "sftp", "s3")
BESIDE = ("work", "scratch", "manifests")  # folders that jobs make beside repositories
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


class Limits(NamedTuple):
    """``kib``: KiB/s of the line, 0 for all of it. ``seconds``: running time after which the
    job ends itself. ``free_factor``: free space wanted for each byte that will be written."""

    kib: int = 0
    seconds: float = 6 * 3600.0
    free_factor: float = 1.3


class Place(NamedTuple):
    """Where a copy lies. ``kind``: "host" is the repository on the host itself, "path" a folder of
    another medium, "sftp", "s3". ``words`` are the kind's own
    (docs/reference/backup-locations.md)."""

    name: str
    kind: str = "host"
    words: dict[str, Any] = {}


class Order(NamedTuple):
    """One order. ``sets`` are the tool's own names of sets, the newest last; ``part`` (k, n): read
    the k-th of n parts; ``point`` and ``disaster`` are seconds since 1970, 0 for none; ``into``:
    a new folder that gets what comes back ("": production gets it); ``keep``: the scratch place of
    a rehearsal stays; ``secrets``: name -> file on this host that holds it, never the secret."""

    run: str
    verb: str
    host: str
    policy: str
    method: str
    source: dict[str, Any]
    repository: str
    kind: str = "full"
    parent: str = ""
    sets: tuple[str, ...] = ()
    level: int = 0
    part: tuple[int, int] = (1, 1)
    place: Place = Place("host")
    point: float = 0.0
    disaster: float = 0.0
    into: str = ""
    keep: bool = False
    limits: Limits = Limits()
    secrets: dict[str, str] = {}


def order_of(given: Any) -> Order:
    """The order that a JSON value holds. Raises Unfit with what is wrong and where."""
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise Unfit(
            "the order is not of format {0}".format(FORMAT), "任务格式不是 {0}".format(FORMAT)
        )
    words = {key: value for key, value in given.items() if key != "format"}
    _check_names(words)
    _check_choices(words)
    words["place"] = _place(words.get("place", {"name": "host"}))
    words["limits"] = _limits(words.get("limits", {}))
    words["sets"] = tuple(words.get("sets", ()))
    words["part"] = _part(words.get("part", (1, 1)))
    return Order(**words)


def _check_names(words: dict[str, Any]) -> None:
    unknown = sorted(set(words) - set(Order._fields))
    if unknown:
        raise Unfit(
            "the order says unknown things: " + ", ".join(unknown),
            "任务含有未知的项：" + "、".join(unknown),
        )
    for name in ("run", "verb", "host", "policy", "method", "repository"):
        if not isinstance(words.get(name), str) or not words[name]:
            raise Unfit("the order has no " + name, "任务缺少 " + name)
    for name in ("run", "host", "policy"):
        if not _NAME.match(words[name]):
            raise Unfit(
                "{0} {1!r} is no name".format(name, words[name]),
                "{0} {1!r} 不是有效名称".format(name, words[name]),
            )
    for name in words.get("sets", ()):
        if not isinstance(name, str) or not _NAME.match(name):
            raise Unfit(
                "set {0!r} is no name".format(name), "备份集 {0!r} 不是有效名称".format(name)
            )


def _check_choices(words: dict[str, Any]) -> None:
    if words["verb"] not in VERBS or words.get("kind", "full") not in KINDS:
        raise Unfit("the order's verb or kind is unknown", "任务的动作或备份类型未知")
    if not words["repository"].startswith("/"):
        raise Unfit("the repository is no absolute path", "仓库路径不是绝对路径")
    if posixpath.basename(words["repository"].rstrip("/")) in BESIDE:
        raise Unfit(
            "a repository cannot be called " + ", ".join(BESIDE),
            "仓库不能命名为 " + "、".join(BESIDE),
        )
    if words.get("into") and not words["into"].startswith("/"):
        raise Unfit("into is no absolute path", "into 不是绝对路径")
    if not isinstance(words.get("source"), dict):
        raise Unfit("the order has no source", "任务缺少 source")


def _place(given: Any) -> Place:
    if not isinstance(given, dict) or not given.get("name"):
        raise Unfit("the order's place has no name", "任务的副本位置没有名称")
    place = Place(given["name"], given.get("kind", "host"), dict(given.get("words", {})))
    if place.kind not in LOCATION_KINDS:
        raise Unfit("the place's kind is unknown", "副本位置的类型未知")
    return place


def _limits(given: Any) -> Limits:
    try:
        limits = Limits(**given)
        fine = limits.kib >= 0 and limits.seconds > 0 and limits.free_factor >= 0
    except TypeError:
        fine = False
    if not fine:
        raise Unfit("the order's limits are wrong", "任务的限制值有误")
    return limits


def _part(given: Any) -> tuple[int, int]:
    part = tuple(given)
    if (
        len(part) != 2
        or not all(isinstance(one, int) for one in part)
        or not 1 <= part[0] <= part[1]
    ):
        raise Unfit("part is k of n, 1 <= k <= n", "part 应为第 k 份，共 n 份")
    return part
