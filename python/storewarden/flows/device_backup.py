# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of network devices: read, judged, kept when they changed, and journaled.

A configuration that seems changed is read a second time: one that somebody is just typing, or that
a bad line garbled, differs again. What does not prove itself is refused and the one before stays
the last. One device that fails is one line; the others go on.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from enum import StrEnum
from queue import Empty, SimpleQueue
from threading import Event, Thread

from storewarden.domain.backup.device_config import ConfigFile, against, next_file, same
from storewarden.domain.errors import StorewardenError
from storewarden.ports.clock import Clock
from storewarden.ports.devices import ConfigStore, DeviceAccess, Devices, LoginRefused
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
_LOOK = 0.5  # seconds in which a wish to stop is heard


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceResult:
    """One device. ``file`` is the name of the last good configuration, "" for none; ``began`` is
    when it was asked, ``seconds`` how long that took; ``auth``: it refused the login."""

    device: str
    came: Came
    file: str = ""
    en: str = ""
    zh: str = ""
    began: datetime | None = None
    seconds: float = 0.0
    auth: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBackupParts:
    """What reading devices needs. ``ledger`` None: nothing is journaled (a site without one).
    ``smaller``: a person knows that there is less in them than before. ``recorded`` writes a device
    into the catalog; ``stopping`` says whether somebody wants to end."""

    devices: Devices
    store: ConfigStore
    ledger: Ledger | None
    clock: Clock
    zone: tzinfo
    at_once: int = 12
    smaller: bool = False
    recorded: Callable[[DeviceResult], None] = lambda _result: None
    stopping: Callable[[], bool] = lambda: False


def back_up_devices(
    parts: DeviceBackupParts,
    wanted: Sequence[DeviceAccess],
    told: Callable[[DeviceResult], None] = lambda _result: None,
) -> tuple[DeviceResult, ...]:
    """Read all of them, ``at_once`` at a time; results in the order of ``wanted``. When somebody
    wants to stop, those that are not read yet have none.

    ``told`` hears of each as it ends. Raises Refused when somebody else is at it, AdapterError for
    the folder and the ledger; what was kept until then stays.
    """
    found: dict[str, DeviceResult] = {}
    run = f"configurations {stamp(parts.clock.now())}"
    with parts.store.writing():
        for result in _read(parts, wanted):
            _journal(parts, run, result)
            parts.recorded(result)
            found[result.device] = result
            told(result)
    results = tuple(found[each.device] for each in wanted if each.device in found)
    _sum(parts, run, results)
    return results


def _read(parts: DeviceBackupParts, wanted: Sequence[DeviceAccess]) -> Iterator[DeviceResult]:
    """Results as they come. The folder, the ledger: whoever comes next would fail as well, so what
    one raises ends all."""
    readers = _Readers(parts, wanted)
    left = len(wanted)
    try:
        while left and not parts.stopping():
            try:
                came = readers.results.get(timeout=_LOOK)
            except Empty:
                continue
            if isinstance(came, BaseException):
                raise came
            left -= 1
            yield came
    finally:
        readers.over.set()


class _Readers:
    """Threads that nobody waits for: a device that hangs must not keep a program from its end."""

    def __init__(self, parts: DeviceBackupParts, wanted: Sequence[DeviceAccess]) -> None:
        self._parts, self._wanted = parts, deque(wanted)
        self.results: SimpleQueue[DeviceResult | BaseException] = SimpleQueue()
        self.over = Event()
        for _ in range(min(parts.at_once, len(wanted))):
            Thread(target=self._work, name="devices", daemon=True).start()

    def _work(self) -> None:
        while not self.over.is_set():
            try:
                access = self._wanted.popleft()
            except IndexError:
                return
            try:
                self.results.put(self._timed(access))
            except BaseException as error:  # noqa: BLE001 - whoever reads the results raises it
                self.results.put(error)

    def _timed(self, access: DeviceAccess) -> DeviceResult:
        clock = self._parts.clock
        began = clock.now()
        result = _one(self._parts, access, self.over.is_set)
        return replace(result, began=began, seconds=(clock.now() - began).total_seconds())


def _one(parts: DeviceBackupParts, access: DeviceAccess, over: Callable[[], bool]) -> DeviceResult:
    """One device from the first word to the file. Runs in a thread of its own; once nobody waits
    for it any more (``over``) it keeps nothing."""
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
            parts.store.seen(last)
            return DeviceResult(device=access.device, came=Came.UNCHANGED, file=last.name)
        if not same(text, parts.devices.read(access), access.platform):
            en, zh = "two readings differ: it is being changed", "两次读取不一致：正在被修改"
            return _bad(access, Came.REJECTED, last, en, zh)
    except StorewardenError as error:
        en = f"{error.what} ({error.hint})" if error.hint else error.what
        bad = _bad(access, Came.FAILED, last, en, _ZH.get(error.what, en))
        return replace(bad, auth=isinstance(error, LoginRefused))
    if over():
        return _bad(access, Came.FAILED, last, "it was stopped", "已停止")
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
