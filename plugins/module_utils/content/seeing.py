# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the library that was wanted lies there: probes that only look."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unpacking import differences

from .record import Record, read, record_path

Probe = Dict[str, Any]


def probes(name: str, target: str, sha256: str, unit: str, host: Host) -> List[Probe]:
    """The record, the files, and a unit that has not failed. ``sha256`` may be ""."""
    try:
        record = read(record_path(name))
    except Unfit as no:
        return [_probe("library", False, str(no), no.zh)]
    found = [_library(record, target, sha256)]
    if record is not None:
        found.append(_files(record, target))
    if unit:
        found.append(_unit(host, unit))
    return found


def _library(record: Optional[Record], target: str, sha256: str) -> Probe:
    if record is None or record.target != target:
        return _probe("library", False, "there is no record of it", "没有该规则库的记录")
    said = "{0} {1}, signed by {2}".format(record.serial.source, record.serial.text, record.key)
    told = "{0} {1}，由 {2} 签名".format(record.serial.source, record.serial.text, record.key)
    return _probe("library", sha256 in ("", record.sha256), said, told)


def _files(record: Record, target: str) -> Probe:
    wrong = differences(target, record.entries)
    count, names = len(record.entries), ", ".join(wrong[:3])
    if wrong:
        return _probe(
            "files",
            False,
            "{0} of {1} are not as in the library: {2}".format(len(wrong), count, names),
            "{1} 个条目中有 {0} 个与规则库不一致：{2}".format(len(wrong), count, names),
        )
    return _probe(
        "files", True, "{0} as in the library".format(count), "{0} 个条目与规则库一致".format(count)
    )


def _unit(host: Host, unit: str) -> Probe:
    state = host.run(["systemctl", "is-active", "--", unit]).out.strip() or "unknown"
    return _probe(unit, state != "failed", "is " + state, "状态为 " + state)


def _probe(name: str, ok: bool, en: str, zh: str) -> Probe:
    return {"name": name, "ok": ok, "detail": {"en": en, "zh": zh}}
