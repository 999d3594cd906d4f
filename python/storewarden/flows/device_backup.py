# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of network devices: read, judged, kept when they changed, and journaled.

A configuration that seems changed is read a second time: one that somebody is just typing, or that
a bad line garbled, differs again. What does not prove itself is refused and the one before stays
the last. One device that fails is one line; the others go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum

from storewarden.domain.backup.device_config import ConfigFile, against, next_file, same
from storewarden.domain.errors import StorewardenError
from storewarden.ports.clock import Clock
from storewarden.ports.devices import ConfigStore, DeviceAccess, Devices
from storewarden.ports.journal import stamp
from storewarden.ports.ledger import Ledger

KEPT = "configuration kept"
REFUSED = "configuration refused"
READ = "configurations read"
"""Kinds of journal entries: one per device that changed or failed, and one per run."""


class Came(StrEnum):
    """What came of one device."""

    FIRST = "first"  # kept: there was none before
    CHANGED = "changed"  # kept: it differs from the last one
    UNCHANGED = "unchanged"  # nothing to keep
    REJECTED = "rejected"  # what came back is no configuration
    FAILED = "failed"  # nothing came back


_ZH = {
    "the login was refused": "登录被拒绝",
    "it does not answer, or its host key is not known": "无响应，或主机密钥未知",
    "the session broke off": "会话中断",
    "nobody says how its configuration is shown": "未指定显示配置的命令（sw_config_command）",
    "this name cannot be a folder": "该名称不能用作目录名",
}
"""What is said of a device that failed, in Chinese."""

GOOD = frozenset({Came.FIRST, Came.CHANGED, Came.UNCHANGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceResult:
    """One device. ``file`` is the name of the last good configuration, "" for none."""

    device: str
    came: Came
    file: str = ""
    en: str = ""
    zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBackupParts:
    """What reading devices needs. ``ledger`` None: nothing is journaled (a site without one).
    ``smaller``: a person knows that there is less in them than before."""

    devices: Devices
    store: ConfigStore
    ledger: Ledger | None
    clock: Clock
    zone: tzinfo
    at_once: int = 12
    smaller: bool = False


def back_up_devices(
    parts: DeviceBackupParts,
    wanted: Sequence[DeviceAccess],
    told: Callable[[DeviceResult], None] = lambda _result: None,
) -> tuple[DeviceResult, ...]:
    """Read all of them, ``at_once`` at a time; results in the order of ``wanted``.

    ``told`` hears of each as it ends. Raises Refused when somebody else is at it, AdapterError for
    the folder and the ledger; what was kept until then stays.
    """
    found: dict[str, DeviceResult] = {}
    run = f"configurations {stamp(parts.clock.now())}"
    with parts.store.writing(), ThreadPoolExecutor(parts.at_once) as pool:
        waiting = {pool.submit(_one, parts, each) for each in wanted}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                good = [each.result() for each in done if each.exception() is None]
                for result in sorted(good, key=lambda each: each.device):
                    _journal(parts, run, result)
                    found[result.device] = result
                    told(result)
                for each in done:
                    each.result()  # the folder, the ledger: whoever comes next would fail as well
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    results = tuple(found[each.device] for each in wanted)
    _sum(parts, run, results)
    return results


def _one(parts: DeviceBackupParts, access: DeviceAccess) -> DeviceResult:
    """One device from the first word to the file. Runs in a thread of its own."""
    last: ConfigFile | None = None
    try:
        files = parts.store.files(access.device)
        last = files[-1] if files else None
        text = parts.devices.read(access)
        before = parts.store.text(last) if last else ""
        than = "" if parts.smaller else before
        if (refusal := against(text, access.platform, than)) is not None:
            return _bad(access, Came.REJECTED, last, refusal.en, refusal.zh)
        if last is not None and same(before, text, access.platform):
            return DeviceResult(device=access.device, came=Came.UNCHANGED, file=last.name)
        if not same(text, parts.devices.read(access), access.platform):
            en, zh = "two readings differ: it is being changed", "两次读取不一致：正在被修改"
            return _bad(access, Came.REJECTED, last, en, zh)
    except StorewardenError as error:
        en = f"{error.what} ({error.hint})" if error.hint else error.what
        return _bad(access, Came.FAILED, last, en, _ZH.get(error.what, en))
    today = parts.clock.now().astimezone(parts.zone).date()
    file = next_file(access.device, today, files)
    parts.store.keep(file, text)
    came = Came.CHANGED if last else Came.FIRST
    return DeviceResult(device=access.device, came=came, file=file.name)


def _bad(
    access: DeviceAccess, came: Came, last: ConfigFile | None, en: str, zh: str
) -> DeviceResult:
    name = last.name if last else ""
    return DeviceResult(device=access.device, came=came, file=name, en=en, zh=zh)


def _journal(parts: DeviceBackupParts, run: str, result: DeviceResult) -> None:
    """What is new of a device; an unchanged one is counted with the run."""
    if parts.ledger is None or result.came is Came.UNCHANGED:
        return
    body: Mapping[str, object] = {
        "device": result.device,
        "came": result.came.value,
        "file": result.file,
        "reason": result.en,
    }
    if result.came in GOOD:
        files = parts.store.files(result.device)
        text = parts.store.text(files[-1])
        body = {**body, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    kind = KEPT if result.came in GOOD else REFUSED
    parts.ledger.append(kind, body, run=run, step=result.device)


def _sum(parts: DeviceBackupParts, run: str, results: Sequence[DeviceResult]) -> None:
    if parts.ledger is None:
        return
    counts = {each.value: sum(one.came is each for one in results) for each in Came}
    parts.ledger.append(READ, counts, run=run, step="end")
