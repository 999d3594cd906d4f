# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words that a phase says to its host's restore point, and what their answers mean.

Each word is one visit and ends with ``{report, reason: {en, zh}, detail}``. Whatever the role did
is seen through the restore point alone: it knows whether the host was changed, is being changed,
or has gone back by itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import Any, Callable, NamedTuple, Sequence

from ansible_collections.storewarden.ops.plugins.module_utils.payload.jobs import Jobs
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import (
    Refused,
    RestoreError,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.pack import Phase
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Request, Verbs

Told = dict[str, Any]
STAGE = "/var/cache/storewarden"
_KEPT_DAYS = 30.0  # of what hosts left that nobody visited again; restore points are kept as long
_DAY = 86400.0
_ENDED = (Phase.RESTORED.value, Phase.RESIDUE.value)
_RECORD = ("outcome", "cause", "began_at", "ended_at", "seconds", "overdue", "number")
_JOB = ("id", "state", "rc", "seconds", "began_at", "ended_at", "timed_out", "log")
_MOST = 20  # entries of a list in a report


class Host(NamedTuple):
    """Where the words are said: the restore points, the jobs, and the folder of downloads."""

    verbs: Verbs
    jobs: Jobs
    stage: str = STAGE


class Steps:
    """The words for one restore point: ``id``, ``owner``, ``epoch``, ``deadline``, ``dry``."""

    def __init__(self, host: Host, work: Told) -> None:
        self._host = host
        self._work = work

    # -- preflight -----------------------------------------------------------------------------

    def captured(self) -> Told:
        """``ready``: a verified restore point of the items is on the host."""
        dry = bool(self._work.get("dry"))
        if not dry:
            self._tidied()
        try:
            answer = self._say(
                "captured",
                items=self._work["items"],
                exclude=self._work["exclude"],
                package_sources=self._work["package_sources"],
            )
        except Refused as no:
            return self._cleaned(told("refused", str(no)))
        except (RestoreError, OSError) as error:
            return self._cleaned(told("failed", str(error)))
        return told("ready", detail={"items": len(answer.report.get("items", []))})

    def _tidied(self) -> None:
        """What hosts left that undid by themselves and were never visited again."""
        with contextlib.suppress(RestoreError, OSError):
            self._host.verbs.expired(Request(days=_KEPT_DAYS))
        with contextlib.suppress(RestoreError, OSError):
            self._host.jobs.forget_old(_KEPT_DAYS)
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(self._host.stage)):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > _KEPT_DAYS * _DAY:
                    shutil.rmtree(entry.path, ignore_errors=True)

    # -- apply ---------------------------------------------------------------------------------

    def armed(self) -> Told:
        """``armed``: from here on the host goes back by itself."""
        unit = {"unit": self._host.jobs.unit(self._work["id"]), "wait": 0}
        try:
            systemd = self._host.jobs.has_units()
            answer = self._say("armed", apply=unit if systemd else None)
            if not answer.changed and not self._work.get("dry"):
                self._say("extended")
        except Refused as no:
            # A word that came too late has been answered with one more undo.
            return self._ended_or("refused", str(no))
        except (RestoreError, OSError) as error:
            return told("refused", str(error))
        return told("armed")

    def extended(self) -> Told:
        """``extended``: a whole deadline from now on, and with ``exact`` no more than that; else
        where the restore point stands."""
        try:
            self._say("extended")
        except Refused as no:
            if self._standing(self._work["id"]).get("phase") == Phase.CONFIRMED.value:
                return told("confirmed")  # an earlier visit got that far
            return self._ended_or("failed", str(no))
        except (RestoreError, OSError) as error:
            return told("failed", str(error))
        return told("extended")

    # -- judge, and whatever went wrong before it ----------------------------------------------

    def confirmed(self) -> Told:
        """``verified``: the change stays. Too late: what became of the host."""
        try:
            self._say("confirmed")
        except Refused as no:
            return self._ended_or("failed", str(no))
        except (RestoreError, OSError) as error:
            return told("failed", str(error))
        return self._cleaned(told("verified"))

    def undone(self) -> Told:
        """``restored`` or ``residue``; ``refused`` when nothing had been changed."""
        found = self._undone_one(self._work["id"], self._work["owner"])
        if found["report"] == "nothing":
            return {**found, "report": "refused"}
        return found

    def _undone_one(self, name: str, owner: str, before: Sequence[str] = ()) -> Told:
        """As ``undone``; ``nothing`` when there is no such pack or it was never armed. ``before``
        are the restore points that are undone by then."""
        standing = self._standing(name)
        if standing.get("phase") in (None, Phase.CAPTURED.value):
            return told("nothing")
        if standing.get("owner") not in (owner, None):
            text = "restore point {0} belongs to {1}, not to {2}"
            return told("failed", text.format(name, standing["owner"], owner))
        try:
            self._say("undone", id=name, owner=owner, before=before)
        except Refused as no:
            return told("failed", str(no))
        except (RestoreError, OSError) as error:
            return told("failed", str(error))
        if self._work.get("dry"):
            return told("restored")
        answer = self._ended_or("failed", "the undo did not come to its end", name)
        return {**answer, "reason": answer["reason"] if answer["report"] == "failed" else ""}

    # -- undo ----------------------------------------------------------------------------------

    def undone_all(self) -> Told:
        """All ``points`` (``{id, owner}``, newest first); it ends at the first that fails."""
        points: list[Told] = []
        found: list[Told] = []
        for one in self._work["points"]:
            owner = one.get("owner") or self._work["owner"]
            before = [point["id"] for point in points]
            found.append(self._undone_one(one["id"], owner, before))
            points.append({"id": one["id"], "owner": owner, "outcome": found[-1]["report"]})
            if found[-1]["report"] == "failed":
                break
        worst = next((one for word in _WORST for one in found if one["report"] == word), None)
        answer = dict(worst or told("nothing"))
        residue = [left for one in found for left in one["detail"].get("residue", [])]
        answer["detail"] = {**answer["detail"], "points": points}
        if residue:
            answer["detail"]["residue"] = residue[:_MOST]
        return answer

    # -- shared --------------------------------------------------------------------------------

    def cleaned(self) -> Told:
        """The jobs of these restore points told and forgotten, their downloads removed."""
        return self._cleaned(told("nothing"))

    def _cleaned(self, answer: Told) -> Told:
        detail = dict(answer["detail"])
        names = [self._work["id"], *(one["id"] for one in self._work.get("points", []))]
        jobs: list[Told] = []
        for name in dict.fromkeys(names):
            with contextlib.suppress(RestoreError, OSError):
                jobs += short_jobs(self._host.jobs.known(name))
                if not self._work.get("dry"):
                    self._host.jobs.forget_point(name)
                    remove_stage(self._host.stage, name)
        if jobs:
            detail["jobs"] = jobs[:_MOST]
        return {**answer, "detail": detail}

    def _standing(self, name: str) -> Told:
        """The restore point's report without a look at the items; empty when there is none."""
        packs = self._host.verbs.inspected(Request()).report["packs"]
        return next((one for one in packs if one["id"] == name), {})

    def _ended_or(self, otherwise: str, reason: str, name: str = "") -> Told:
        """Where the host is back, that; else ``otherwise``."""
        found = self._standing(name or self._work["id"])
        phase = found.get("phase")
        if phase not in _ENDED:
            return told(otherwise, reason)
        return told(str(phase), reason, of_record(found))

    def _say(self, word: str, **fields: Any) -> Any:
        request = Request(
            id=fields.get("id", self._work["id"]),
            owner=fields.get("owner", self._work["owner"]),
            epoch=self._work["epoch"],
            items=fields.get("items", ()),
            exclude=fields.get("exclude", ()),
            package_sources=fields.get("package_sources", ()),
            deadline=float(self._work["deadline"]),
            apply=fields.get("apply"),
            dry=bool(self._work.get("dry")),
            before=fields.get("before", ()),
            exact=bool(self._work.get("exact")),
        )
        say: Callable[[Request], Any] = getattr(self._host.verbs, word)
        return say(request)


# What is told of several undos: the worst of them.
_WORST = ("failed", "residue", "restored", "nothing")


def told(report: str, reason: str = "", detail: Told | None = None) -> Told:
    """An answer. The host's own words are English; the action plugin says them in Chinese."""
    return {"report": report, "reason": " ".join(reason.split()), "detail": detail or {}}


def of_record(found: Told) -> Told:
    """``record``, ``residue`` and ``restored_at`` from a restore point's report."""
    record = found.get("record") or {}
    detail: Told = {"record": {key: record[key] for key in _RECORD if key in record}}
    if record.get("residue"):
        detail["residue"] = record["residue"][:_MOST]
    if found.get("phase") == Phase.RESTORED.value and record.get("ended_at"):
        detail["restored_at"] = record["ended_at"]
    return detail


def short_jobs(jobs: list[Told]) -> list[Told]:
    """What is told of jobs."""
    return [{key: one[key] for key in _JOB if key in one} for one in jobs]


def remove_stage(folder: str, name: str) -> None:
    """The downloads of one restore point, and the folder above when nothing else is in it."""
    shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    with contextlib.suppress(OSError):
        os.rmdir(folder)
