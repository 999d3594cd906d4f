# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A library that came: proved again on the host, unpacked in the stage, its serial read.

Everything here happens in a folder of root's own. The place from which the service reads is not
touched by any of it.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import Callable, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import pour
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.checking import (
    has_digest,
    signed_by,
)
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unpacking import (
    Manifest,
    Wish,
    unpack,
)

from .record import Record, Serial, serial_in

SOURCE, SIGNATURE, KEY, UNPACKED = "source", "signature", "key", "unpacked"
_ARCHIVE = re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2|txz)$")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_SERIAL_BYTES = 4096
FOLDER_WORD = "%s"


class Wanted(NamedTuple):
    """A library as the controller wants it.

    ``file_name`` is its name there: an archive is unpacked, anything else is one file.
    ``validate`` is an argv; with ``%s`` in it, it looks at the staged library before anything
    is put in place, else at the host after that and before the service is told.
    """

    name: str
    file_name: str
    sha256: str
    stage: str
    target: str
    serial_file: str = ""
    allow_older: bool = False
    validate: tuple[str, ...] = ()
    validate_seconds: float = 120.0
    unit: str = ""
    unit_action: str = "reload"
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    strip: int = 0

    def at(self, name: str) -> str:
        return os.path.join(self.stage, name)

    @property
    def validates_first(self) -> bool:
        return any(FOLDER_WORD in word for word in self.validate)


def unpacked(wanted: Wanted, most: int, beat: Callable[[], None]) -> Record:
    """What would be put in place; it lies in the stage. Unfit, BadSignature otherwise."""
    if wanted.sha256:
        has_digest(wanted.at(SOURCE), wanted.sha256)
    with open(wanted.at(SIGNATURE), "rb") as signature, open(wanted.at(KEY), "rb") as key:
        proof = signed_by(wanted.at(SOURCE), signature.read(), key.read())
    entries = _laid_out(wanted, most, beat)
    serial = _serial(wanted, proof.signed_at, entries)
    return Record(wanted.sha256, serial, proof.signed_at, proof.key, wanted.target, entries)


def _laid_out(wanted: Wanted, most: int, beat: Callable[[], None]) -> Manifest:
    folder = wanted.at(UNPACKED)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder, 0o700)
    if _ARCHIVE.search(wanted.file_name):
        return unpack(wanted.at(SOURCE), folder, Wish(strip=wanted.strip, most=most), beat)
    if not _FILE.fullmatch(wanted.file_name):
        raise Unfit(
            "source: {0!r} is no proper file name".format(wanted.file_name),
            "source：{0!r} 不是合适的文件名".format(wanted.file_name),
        )
    place = os.path.join(folder, wanted.file_name)
    with open(wanted.at(SOURCE), "rb") as source, open(place, "xb") as target:
        digest = pour(source, target)
    return {wanted.file_name: ["file", wanted.mode, digest]}


def _serial(wanted: Wanted, signed_at: int, entries: Manifest) -> Serial:
    if not wanted.serial_file:
        if not signed_at:
            raise Unfit(
                "its signature carries no time: name the serial_file that tells old from new",
                "签名不含时间：请用 serial_file 指定序列号文件",
            )
        return Serial("time", str(signed_at))
    if entries.get(wanted.serial_file, [""])[0] != "file":
        raise Unfit(
            "the library has no {0}".format(wanted.serial_file),
            "规则库中没有 {0}".format(wanted.serial_file),
        )
    with open(os.path.join(wanted.at(UNPACKED), wanted.serial_file), "rb") as source:
        line = source.read(_SERIAL_BYTES).split(b"\n")[0]
    return serial_in(line.decode("utf-8", "replace"))


def validated(wanted: Wanted, host: Host, folder: str) -> None:
    """Run the site's own check, if there is one; Unfit with its last line when it says no."""
    if not wanted.validate:
        return
    words = [word.replace(FOLDER_WORD, folder) for word in wanted.validate]
    done = host.run(words, wanted.validate_seconds)
    if done.code != 0:
        said = "{0}: {1}".format(words[0], " ".join(done.last.split())[:300])
        raise Unfit("it does not pass its check: " + said, "未通过校验命令：" + said)
