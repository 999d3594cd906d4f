# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's half of a library's preflight, and putting it in place: the same proof both times."""

from __future__ import annotations

import base64
import os
import shutil
from typing import Any, Callable, Dict, List, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    free_bytes,
    make_folder,
    write_bytes,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.bad_signature import (
    BadSignature,
)
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.checking import sha256_of
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unpacking import differences

from . import record as records
from .library import KEY, SIGNATURE, SOURCE, UNPACKED, Wanted, unpacked, validated
from .placing import Owner, Placing
from .record import Record

_ROOM = 2  # times what is unpacked, for the restore point and for the files themselves
_TELLING = 300.0
_ASIDE = "before"


def looked(
    wanted: Wanted, size: int, trust: Dict[str, str], host: Host, dry: bool
) -> Dict[str, Any]:
    """``{preflight, bring, judge}``; makes the stage, with signature and key in it."""
    try:
        old = _standing(wanted, host)
        nothing = at_target(wanted, old)
        if not nothing:
            _make_stage(wanted, size, trust, dry)
    except Unfit as no:
        return {"preflight": refusal(no.reason()), "bring": False, "judge": False}
    here = not nothing and _digest(wanted.at(SOURCE)) == wanted.sha256
    preflight = _found(wanted, old, None, nothing)
    return {"preflight": preflight, "bring": not nothing and not here, "judge": not nothing}


def judged(wanted: Wanted, host: Host, dry: bool) -> Dict[str, Any]:
    """``{preflight}`` after the library came."""
    try:
        old = _standing(wanted, host)
        if dry and not os.path.exists(wanted.at(SOURCE)):
            return {"preflight": _found(wanted, old, None, False)}
        new = _proved(wanted, old, host, lambda: None)
    except (Unfit, BadSignature) as no:
        return {"preflight": refusal(no.reason())}
    return {"preflight": _found(wanted, old, new, False)}


def placed(wanted: Wanted, host: Host, beat: Callable[[], None]) -> Dict[str, Any]:
    """The library in place and its service told. Unfit, BadSignature: nothing has changed."""
    beat()
    old = _standing(wanted, host)
    new = _proved(wanted, old, host, beat)
    owner = Owner(wanted.owner, wanted.group, wanted.mode)
    placing = Placing(wanted.target, wanted.at(_ASIDE), owner, beat)
    try:
        before = old.entries if old else {}
        entries = placing.put(wanted.at(UNPACKED), new.entries, before)
        if not wanted.validates_first:
            validated(wanted, host, wanted.target)
    except BaseException:
        placing.back()
        raise
    finally:
        shutil.rmtree(wanted.at(_ASIDE), ignore_errors=True)
    records.write(records.record_path(wanted.name), new._replace(entries=entries))
    return {"serial": new.serial.text, "sha256": new.sha256, "unit": _tell(wanted, host)}


def at_target(wanted: Wanted, old: Optional[Record]) -> bool:
    """That very library lies there, whole."""
    if old is None or old.sha256 != wanted.sha256 or old.target != wanted.target:
        return False
    return not differences(wanted.target, old.entries)


def _standing(wanted: Wanted, host: Host) -> Optional[Record]:
    """The record of what is there; Unfit when nothing can be put there as things are."""
    path = records.record_path(wanted.name)
    target = wanted.target
    if not target.startswith("/") or os.path.normpath(target) != target or target.count("/") < 2:
        raise Unfit(
            "target: {0!r}: a folder of its own is meant".format(target),
            "target：{0!r}：应为独立目录".format(target),
        )
    if os.path.islink(target) or (os.path.lexists(target) and not os.path.isdir(target)):
        raise Unfit(
            "target: {0} is no folder".format(target), "target：{0} 不是目录".format(target)
        )
    if wanted.unit and host.run(["systemctl", "cat", "--", wanted.unit]).code != 0:
        raise Unfit("there is no unit {0}".format(wanted.unit), "没有单元 {0}".format(wanted.unit))
    Owner(wanted.owner, wanted.group, wanted.mode)
    found = records.read(path)
    if found is not None and found.target != target:
        raise Unfit(
            "library {0} lies in {1} on this host".format(wanted.name, found.target),
            "规则库 {0} 在本机位于 {1}".format(wanted.name, found.target),
        )
    return found


def _proved(wanted: Wanted, old: Optional[Record], host: Host, beat: Callable[[], None]) -> Record:
    new = unpacked(wanted, free_bytes(_existing(wanted.target)) // _ROOM, beat)
    if not new.sha256:
        new = new._replace(sha256=sha256_of(wanted.at(SOURCE)))
    records.not_older(old, new, wanted.allow_older)
    if wanted.validates_first:
        validated(wanted, host, wanted.at(UNPACKED))
    return new


def _make_stage(wanted: Wanted, size: int, trust: Dict[str, str], dry: bool) -> None:
    if size * (_ROOM + 1) > free_bytes(_existing(wanted.stage)):
        raise Unfit(
            "{0} MB of library do not fit into {1}".format(size // 1_000_000, wanted.stage),
            "{1} 空间不足，放不下 {0} MB 的规则库".format(size // 1_000_000, wanted.stage),
        )
    if dry:
        return
    make_folder(wanted.stage)
    os.chmod(wanted.stage, 0o700)
    for name in (SIGNATURE, KEY):
        write_bytes(wanted.at(name), base64.b64decode(trust[name]))


def _existing(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _digest(path: str) -> str:
    try:
        return sha256_of(path)
    except OSError:
        return ""


def _running(wanted: Wanted, host: Host) -> bool:
    return not wanted.unit or host.run(["systemctl", "is-active", "--", wanted.unit]).code == 0


def _tell(wanted: Wanted, host: Host) -> str:
    """What was done to the unit; one that does not run is left alone. Unfit when it fails."""
    if not wanted.unit or not _running(wanted, host):
        return ""
    done = host.run(["systemctl", wanted.unit_action, "--", wanted.unit], _TELLING)
    if done.code != 0:
        raise Unfit(
            "{0} did not {1}: {2}".format(wanted.unit, wanted.unit_action, done.last),
            "{0} 未能{1}：{2}".format(
                wanted.unit, "重载" if wanted.unit_action == "reload" else "重启", done.last
            ),
        )
    return wanted.unit_action + "ed"


def _items(wanted: Wanted) -> List[Dict[str, Any]]:
    found: List[Dict[str, Any]] = [
        {"kind": "tree", "path": wanted.target},
        {"kind": "file", "path": records.record_path(wanted.name)},
    ]
    if wanted.unit:
        found.append({"kind": "unit", "name": wanted.unit, "after_restore": wanted.unit_action})
    return found


def _found(
    wanted: Wanted, old: Optional[Record], new: Optional[Record], nothing: bool
) -> Dict[str, Any]:
    found = {
        "ready": True,
        "nothing": nothing,
        "reason": {"en": "", "zh": ""},
        "items": _items(wanted),
        "changes": [],
    }
    if not nothing:
        after = new.serial.text if new else wanted.sha256[:12]
        before = old.serial.text if old else ""
        found["changes"] = [{"what": wanted.target, "before": before, "after": after}]
    return found


def refusal(reason: Dict[str, str]) -> Dict[str, Any]:
    """The preflight fact of a host that says no."""
    return {"ready": False, "nothing": False, "reason": reason}
