# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of the library that a host has, and whether another one is newer.

A library that was good once stays well signed for ever, also after its rules were found wrong. So
what is older than what the host has is refused: by a serial that the library itself carries, or by
the time that was signed. Neither can be changed without breaking the signature.
"""

from __future__ import annotations

import re
from typing import Any, List, NamedTuple, Optional, Tuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    make_folder,
    read_json,
    write_json,
)
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unpacking import Manifest

FOLDER = "/var/lib/storewarden/content"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SERIAL = re.compile(r"v?(\d{1,18}(?:[.-]\d{1,18}){0,9})")
_FORMAT = 1


class Serial(NamedTuple):
    """``source`` is "time" (of signing, seconds since 1970) or "file" (a number in the library)."""

    source: str
    text: str

    def parts(self) -> Tuple[int, ...]:
        return tuple(int(one) for one in re.split("[.-]", self.text))


class Record(NamedTuple):
    """One library on one host; ``key`` is the signer's."""

    sha256: str
    serial: Serial
    signed_at: int
    key: str
    target: str
    entries: Manifest


def record_path(name: str) -> str:
    """Unfit for a name that could be another path."""
    if not _NAME.fullmatch(name):
        raise Unfit(
            "name: {0!r}: letters, digits and . _ - are meant".format(name),
            "name：{0!r}：只能包含字母、数字和 . _ -".format(name),
        )
    return "{0}/{1}.json".format(FOLDER, name)


def read(path: str) -> Optional[Record]:
    """None when there is none; Unfit for one that cannot be read: it may hide a newer serial."""
    try:
        found: Any = read_json(path)
        serial = Serial(str(found["serial"][0]), str(found["serial"][1]))
        serial.parts()
        return Record(
            str(found["sha256"]), serial, int(found["signed_at"]), str(found["key"]),
            str(found["target"]), found["entries"],
        )  # fmt: skip
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        raise Unfit(
            "{0} cannot be read: a person has to look at the host".format(path),
            "{0} 无法读取：需要人工检查该主机".format(path),
        ) from None


def write(path: str, record: Record) -> None:
    make_folder(path.rpartition("/")[0])
    write_json(path, {**record._asdict(), "serial": list(record.serial), "format": _FORMAT})


def serial_in(line: str) -> Serial:
    """From the first line of a library's own file."""
    found = _SERIAL.fullmatch(line.strip())
    if not found:
        raise Unfit(
            "the library's serial is no number: {0!r}".format(line[:80]),
            "规则库序列号不是数字：{0!r}".format(line[:80]),
        )
    return Serial("file", found.group(1))


def not_older(old: Optional[Record], new: Record, allow_older: bool) -> None:
    """Unfit for a library that is older than the one there, or another one of the same serial."""
    if old is None or old.sha256 == new.sha256:
        return
    before, after = _comparable(old, new)
    if after == before:
        raise Unfit(
            "it has the serial of the library there ({0}) and other content".format(_said(new)),
            "序列号（{0}）与现有规则库相同但内容不同".format(_said(new)),
        )
    if after < before and not allow_older:
        raise Unfit(
            "it is older ({0}) than the library there ({1})".format(_said(new), _said(old)),
            "它（{0}）比现有规则库（{1}）旧".format(_said(new), _said(old)),
        )


def _comparable(old: Record, new: Record) -> Tuple[List[int], List[int]]:
    if old.serial.source == new.serial.source == "file":
        before, after = list(old.serial.parts()), list(new.serial.parts())
        longest = max(len(before), len(after))
        return (
            before + [0] * (longest - len(before)),
            after + [0] * (longest - len(after)),
        )
    return [old.signed_at], [new.signed_at]


def _said(record: Record) -> str:
    return "{0} {1}".format(record.serial.source, record.serial.text)
