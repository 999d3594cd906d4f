# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders and reports as the JSON that travels (plugins/module_utils/backup/{order,report}.py).

Sets have the tool's own names on hosts; in the catalog the target's name stands before them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from storewarden.domain.backup.catalog import DrillRecord, RunEnd, Target
from storewarden.domain.backup.policy import Level, SetKind
from storewarden.ports.backup_hosts import BackupOrder, JobReport, JobSeen, JobState, SeenSet

FORMAT = 1
_MOST = 4000  # letters of what a host says of one thing; chosen: a reason is a line or two
_HUGE = 1 << 63
_NAME = re.compile(r"[A-Za-z0-9][\w.:@+-]{0,199}", re.ASCII)
REPOSITORIES = "/var/lib/storewarden/backup/repositories"
"""Where a host keeps its repositories, one folder for each policy, unless a policy's ``source``
names another ``repository``."""


class BadReport(ValueError):
    """A host told something that is no report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceWords:
    """A place as orders name it: its kind, and the kind's own words without secrets."""

    kind: str = "host"
    words: Mapping[str, object] = field(default_factory=dict)


def tool_id(name: str) -> str:
    """A set's name at its tool."""
    return name.split("/", 2)[-1]


def catalog_id(target: Target, name: str) -> str:
    """A set's name in the catalog; "" stays so."""
    return f"{target.name}/{name}" if name else ""


def order_words(order: BackupOrder, places: Mapping[str, PlaceWords]) -> dict[str, Any]:
    """The order as its host reads it; never a secret."""
    source = dict(order.policy.source)
    repository = source.pop("repository", None) or f"{REPOSITORIES}/{order.policy.id}"
    place = places.get(order.location, PlaceWords())
    return {
        "format": FORMAT,
        "run": order.run,
        "verb": order.verb.value,
        "host": order.target.host,
        "policy": order.policy.id,
        "method": order.policy.method.value,
        "source": source,
        "repository": str(repository),
        "kind": order.kind.value,
        "parent": tool_id(order.parent),
        "sets": [tool_id(each) for each in order.sets],
        "level": int(order.level),
        "part": list(order.part),
        "place": {
            "name": order.location or "host",
            "kind": place.kind,
            "words": dict(place.words),
        },
        "point": _seconds(order.point),
        "disaster": _seconds(order.disaster),
        "into": order.into,
        "keep": order.keep,
        "limits": {"kib": order.kib, "seconds": order.seconds},
    }


def job_of(order: BackupOrder, told: object, skew: float = 0.0) -> JobSeen:
    """What a host told of one job; UNREACHABLE with a reason for what is no answer at all."""
    if not isinstance(told, Mapping) or _text(told, "state") not in set(JobState):
        return JobSeen(
            run=order.run,
            state=JobState.UNREACHABLE,
            reason="its host told nothing of it",
            reason_zh="主机没有说明该任务的情况",
        )
    state = JobState(_text(told, "state"))
    reason = told.get("reason")
    en, zh = _both(reason) if reason else ("", _text(told, "reason_zh"))
    done = told.get("done") if state is JobState.RUNNING else None
    found = JobSeen(
        run=order.run,
        state=state,
        reason=en,
        reason_zh=zh,
        done=dict(done) if isinstance(done, Mapping) else _refused(told),
    )
    if state is not JobState.ENDED:
        return found
    try:
        report = report_of(order, told.get("report"), skew)
    except (BadReport, ValueError, TypeError, KeyError, OverflowError) as error:
        report = JobReport(
            run=order.run,
            end=RunEnd.REJECTED,
            reason=f"what it told is no report: {error}",
            reason_zh=f"返回内容不是报告：{error}",
            skew=skew,
        )
    return JobSeen(run=order.run, state=state, report=report)


def report_of(order: BackupOrder, told: object, skew: float = 0.0) -> JobReport:
    """A report in the catalog's terms. Raises BadReport, ValueError, KeyError for what is none."""
    if not isinstance(told, Mapping) or told.get("format") != FORMAT:
        raise BadReport(f"it is not of format {FORMAT}")
    if told.get("run") != order.run:
        raise BadReport("it is another run's")
    target = order.target
    en, zh = _both(told.get("reason"))
    return JobReport(
        run=order.run,
        end=RunEnd(str(told["end"])),
        reason=en,
        reason_zh=zh,
        sets=tuple(_set(target, each) for each in _list(told.get("sets"))),
        removed=tuple(catalog_id(target, _line(each)) for each in _list(told.get("removed"))),
        drill=_drill(order, told),
        kept=_text(_mapping(told.get("drill")), "kept"),
        immutable=None if told.get("immutable") is None else told["immutable"] is True,
        bytes=_whole(told, "bytes"),
        seconds=_number(told, "seconds"),
        tool_seconds=_number(told, "tool_seconds"),
        tool=_text(told, "tool"),
        skew=skew,
        notes=tuple(
            {_line(key): _line(text) for key, text in _mapping(each).items()}
            for each in _list(told.get("notes"))
        ),
    )


def _set(target: Target, told: object) -> SeenSet:
    found = _mapping(told)
    return SeenSet(
        id=catalog_id(target, _name(found, "id")),
        kind=SetKind(_text(found, "kind") or SetKind.FULL.value),
        parent=catalog_id(target, _name(found, "parent") if found.get("parent") else ""),
        taken=_moment(found.get("taken")),
        size=_whole(found, "size"),
        manifest=_text(found, "manifest"),
        level=Level(_whole(found, "level")),
        damaged=_text(found, "damaged"),
    )


def _drill(order: BackupOrder, told: Mapping[str, Any]) -> DrillRecord | None:
    given = told.get("drill")
    if not isinstance(given, Mapping):
        return None
    rpo, rto = _number(given, "rpo", -1.0), _number(given, "rto")
    name = catalog_id(order.target, _text(given, "set"))
    return DrillRecord(
        id=order.run,
        target=order.target,
        set=name or (order.sets[-1] if order.sets else ""),
        location=order.location,
        began=_moment(told.get("began")),
        passed=given.get("passed") is True,
        reason=_both(told.get("reason"))[0],
        level=Level(_whole(given, "level")),
        rto=timedelta(seconds=rto) if rto > 0 else None,
        rpo=timedelta(seconds=rpo) if rpo >= 0 else None,
        phases={_line(key): _finite(value) for key, value in _mapping(given.get("phases")).items()},
        differences=tuple(_line(each) for each in _list(given.get("differences"))),
    )


def _refused(told: Mapping[str, Any]) -> dict[str, object]:
    """The catalog's word for a refusal, where the host gave one."""
    end = _text(told, "end")
    return {"end": end} if end in set(RunEnd) else {}


def _both(reason: object) -> tuple[str, str]:
    """A reason in English and Chinese."""
    if isinstance(reason, Mapping):
        en = _line(reason.get("en") or "")
        return en, _line(reason.get("zh") or en)
    return (_line(reason), _line(reason)) if reason else ("", "")


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0


def _moment(seconds: object) -> datetime:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise BadReport("a moment is no number")
    return datetime.fromtimestamp(seconds, UTC)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return _line(value) if isinstance(value, str) else ""


def _line(value: object) -> str:
    """What a host says, as one line that a terminal and a database take."""
    told = "".join(each if each.isprintable() else " " for each in str(value)[:_MOST])
    return " ".join(told.split())


def _name(found: Mapping[str, Any], name: str) -> str:
    """A set's name at its tool: it becomes a key, and a word of later orders."""
    value = found.get(name)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadReport("a set has no name, or an odd one")
    return value


def _number(found: Mapping[str, Any], name: str, default: float = 0.0) -> float:
    value = found.get(name, default)
    return _finite(value) if isinstance(value, int | float) else default


def _finite(value: object) -> float:
    number = float(value) if isinstance(value, int | float) else math.nan
    if not math.isfinite(number):
        raise BadReport("a number is none")
    return number


def _whole(found: Mapping[str, Any], name: str) -> int:
    number = int(_number(found, name))
    if not 0 <= number < _HUGE:
        raise BadReport(f"{name} is no size")
    return number
