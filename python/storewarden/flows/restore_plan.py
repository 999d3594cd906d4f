# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore would do, before anybody does it: from which copy and chain, in which steps, how
long by what was measured, and which data would be lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from storewarden.domain.backup.catalog import Target
from storewarden.domain.backup.drill import (
    Lack,
    Source,
    measured_rto,
    modelled_rto,
    source_of,
)
from storewarden.domain.backup.policy import Method, Policy
from storewarden.domain.errors import ConfigInvalid, Refused
from storewarden.ports.backup_catalog import BackupCatalog


class Into(StrEnum):
    """Where a restore goes."""

    SCRATCH = "scratch"  # a folder of its own on the host; nothing uses it
    PRODUCTION = "production"  # what is there now is replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreWish:
    """What is to come back: a set, or what a target had at a moment."""

    host: str = ""
    policy: str = ""
    set: str = ""
    location: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How long it takes. ``measured`` counts the restores that were timed; with 0 it is modelled
    (bytes over the line), and ``span`` None when not even that is known."""

    span: timedelta | None
    measured: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """``point`` is the moment of the data that come back; ``newest`` that of the newest set there
    is; ``steps`` are lines in English and Chinese."""

    target: Target
    policy: Policy
    source: Source
    location: str
    point: datetime
    newest: datetime
    expected: Expected
    lost: timedelta
    into: Into | None = None
    at: datetime | None = None
    steps: tuple[tuple[str, str], ...] = ()


def plan_restore(
    catalog: BackupCatalog,
    policies: Mapping[str, Policy],
    wish: RestoreWish,
    now: datetime,
    into: Into | None = None,
) -> RestorePlan:
    """The plan. Raises ConfigInvalid for what is not there, Refused when nothing can come back."""
    target = _target(catalog, policies, wish)
    policy = policies[target.policy]
    if policy.method is Method.NETWORK:
        raise ConfigInvalid(
            "is the configuration of a device",
            where=target.name,
            hint="storewarden restore device DEVICE",
        )
    if policy.method is Method.LEDGER and into is Into.PRODUCTION:
        raise Refused(
            "it is the ledger of storewarden itself, which nobody replaces while that runs",
            where=target.name,
            hint="restore it --into scratch, stop the service, then: storewarden ledger restore"
            " FILE --replace (docs/operators/ledger.md)",
        )
    known = catalog.of([target])
    source = source_of(known, at=wish.at, named=wish.set, location=wish.location)
    if isinstance(source, Lack):
        raise Refused(source.en, where=target.name, hint="storewarden backup list; another --from")
    newest = max(each.taken for each in known.sets)
    point = min(wish.at or source.backup.taken, source.backup.taken)
    drills = catalog.drills(policy=target.policy)
    timed = measured_rto(drills, target)
    modelled = modelled_rto(source.chain, policy.bandwidth)
    location = _best(source, catalog, target, wish.location)
    expected = (
        Expected(span=timed[0], measured=timed[1]) if timed else Expected(span=modelled, measured=0)
    )
    return RestorePlan(
        target=target,
        policy=policy,
        source=source,
        location=location,
        point=point,
        newest=newest,
        expected=expected,
        lost=max(now - point, timedelta()),
        into=into,
        at=wish.at,
        steps=_steps(source, location, into, wish.at, policy.method),
    )


def _target(catalog: BackupCatalog, policies: Mapping[str, Policy], wish: RestoreWish) -> Target:
    if wish.set:
        found = catalog.set(wish.set)
        if found is None:
            raise ConfigInvalid("there is no such set", where=wish.set)
        target = found.target
    else:
        target = Target(host=wish.host, policy=wish.policy or _only(catalog, wish.host))
    if target.policy not in policies:
        known = ", ".join(sorted(policies)) or "none"
        raise ConfigInvalid(
            "there is no such policy", where=target.policy, hint=f"there are: {known}"
        )
    return target


def _only(catalog: BackupCatalog, host: str) -> str:
    found = sorted({each.target.policy for each in catalog.sets(host=host)})
    if len(found) != 1:
        what = "has sets of several policies" if found else "has no sets"
        raise ConfigInvalid(what, where=host, hint=f"--policy P: {', '.join(found)}")
    return found[0]


def _best(source: Source, catalog: BackupCatalog, target: Target, wanted: str) -> str:
    """For a real restore not the place whose turn it is, but the one that was proven last."""
    if wanted:
        return wanted
    proven: dict[str, datetime] = {}
    for each in catalog.drills(host=target.host, policy=target.policy):
        if each.passed and each.location in source.places:
            proven[each.location] = max(each.began, proven.get(each.location, each.began))
    return max(proven, key=lambda place: proven[place]) if proven else source.places[0]


def _steps(
    source: Source, location: str, into: Into | None, at: datetime | None, method: Method
) -> tuple[tuple[str, str], ...]:
    many = len(source.chain.sets)
    names = ", ".join(each.id for each in source.chain.sets)
    read = (
        f"read {many} set(s) from {location}: {names}",
        f"从 {location} 读取 {many} 个备份集：{names}",
    )
    upto = [] if at is None else [(f"recover up to {at.isoformat()}", f"恢复到 {at.isoformat()}")]
    if into is not Into.PRODUCTION:
        return (
            read,
            (
                "restore them into a new folder of the host, check their format",
                "恢复到主机的新目录，检查格式",
            ),
            *upto,
            ("keep the folder, and tell its path", "保留目录，并告知路径"),
        )
    return (
        ("ask the change, its window and its approvals", "检查变更单、窗口与审批"),
        read,
        (
            "rehearse: restore beside production, start it, check its structure, compare it with"
            " its manifest; stop here if anything differs",
            "演练：在生产之外恢复并启动，检查结构，与清单比对；如有差异则停止",
        ),
        *upto,
        (
            "take a full backup of what is there now, and capture a restore point",
            "对现有数据做一次全量备份，并建立还原点",
        ),
        _PUT_BACK[method in _BY_PATH],
        (
            "look at production in its place: its structure, its data beside the manifest of the"
            " set; tell what was done",
            "在生产位置检查结构，并与备份集清单比对；告知所做的操作",
        ),
        *([] if method in _ALWAYS_FULL else [_FULL_NEXT]),
    )


_BY_PATH = frozenset({Method.FILES})
_ALWAYS_FULL = frozenset({Method.FILES, Method.SQLITE, Method.REDIS})
_PUT_BACK = {
    False: (
        "put the data in their place; the service of source.unit stands still meanwhile",
        "将数据放回生产位置；期间 source.unit 的服务停止",
    ),
    True: (
        "put the files in their place, over those that are there; files that came later stay",
        "将文件放回原位并覆盖现有文件；此后新增的文件保留",
    ),
}
_FULL_NEXT = (
    "afterwards, by hand: take a full set, what comes next builds upon it",
    "完成后需手动做一次全量备份，作为后续备份的基础",
)
