# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that there are: what each takes, how long it may last, and what should answer it.

What a fault does is written once more on the host (``plugins/module_utils/chaos/``); this side
knows what a decision needs, and refuses before anybody is asked for a connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

SHORTEST = timedelta(seconds=10)
USUAL = timedelta(minutes=5)


class Touches(StrEnum):
    """What a host has to allow by name before a fault touches it."""

    UNIT = "unit"  # a service: ``sw_chaos_units``
    PATH = "path"  # a folder: ``sw_chaos_paths``
    LINE = "line"  # the network of the host; the tag of the host is enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a fault. ``default`` is what the host takes when it is not given."""

    name: str
    needed: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault.

    ``longest`` is the most that the host's timer is set to; ``answers`` are the heal actions that
    should repair it, none where healing can only call a person.
    """

    name: str
    en: str
    zh: str
    touches: Touches
    longest: timedelta
    options: tuple[Option, ...] = ()
    answers: tuple[str, ...] = ()

    @property
    def known(self) -> Mapping[str, Option]:
        """Its options by name."""
        return {each.name: each for each in self.options}


_UNIT = Option(name="unit", needed=True)
_DEVICE = Option(name="device", default="of the default route")
_ALL = (
    Fault(
        name="kill-process",
        en="kills the main process of a service",
        zh="杀死某服务的主进程",
        touches=Touches.UNIT,
        longest=timedelta(minutes=30),
        options=(_UNIT,),
        answers=("service",),
    ),
    Fault(
        name="stop-unit",
        en="ends a service and keeps systemd from starting it again",
        zh="终止某服务并阻止 systemd 重新启动它",
        touches=Touches.UNIT,
        longest=timedelta(minutes=30),
        options=(_UNIT,),
        answers=("service",),
    ),
    Fault(
        name="fill-disk",
        en="fills a filesystem with one file, down to a reserve",
        zh="用一个文件占满文件系统，保留余量",
        touches=Touches.PATH,
        longest=timedelta(minutes=30),
        options=(
            Option(name="path", default="/var/cache/apt/archives"),
            Option(name="free", default="2"),
            Option(name="most", default="4096"),
        ),
        answers=("disk",),
    ),
    Fault(
        name="cut-link",
        en="cuts a line: no packet in, none out",
        zh="切断线路：不收不发",
        touches=Touches.LINE,
        longest=timedelta(minutes=15),
        options=(_DEVICE,),
        answers=("link",),
    ),
    Fault(
        name="lose-packets",
        en="loses a share of the packets of a line, each way",
        zh="线路双向随机丢包",
        touches=Touches.LINE,
        longest=timedelta(minutes=15),
        options=(_DEVICE, Option(name="percent", default="30")),
        answers=("link",),
    ),
    Fault(
        name="drop-dns",
        en="drops the host's DNS queries",
        zh="丢弃主机的 DNS 查询",
        touches=Touches.LINE,
        longest=timedelta(minutes=15),
        options=(Option(name="servers", default="all"),),
        answers=("dns",),
    ),
    Fault(
        name="delay-link",
        en="delays what goes out over a line (tc netem)",
        zh="延迟线路的发送（tc netem）",
        touches=Touches.LINE,
        longest=timedelta(minutes=15),
        options=(
            _DEVICE,
            Option(name="milliseconds", default="300"),
            Option(name="jitter", default="0"),
        ),
    ),
)
FAULTS: Mapping[str, Fault] = {each.name: each for each in _ALL}
"""Every fault by name."""
