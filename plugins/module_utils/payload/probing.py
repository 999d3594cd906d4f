# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is the matter on a host whose run ended without a word? Reading only.

A restore point's phase says what was decided; whether something of ours still works there,
and whether the host is as it was at capture, is looked at now. "restored" in a file is not
enough for "restored" in a report.
"""

from __future__ import annotations

from ansible_collections.storewarden.ops.plugins.module_utils.payload.steps import (
    Host,
    Told,
    of_record,
    short_jobs,
    told,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError
from ansible_collections.storewarden.ops.plugins.module_utils.restore.pack import Phase
from ansible_collections.storewarden.ops.plugins.module_utils.restore.records import undo_records
from ansible_collections.storewarden.ops.plugins.module_utils.restore.verbs import Request

_MOST = 20
_RECORDS = 5


def probed(host: Host, work: Told, folder: str) -> Told:
    """``busy``, ``armed``, ``confirmed``, ``restored``, ``residue``, ``untouched`` or ``failed`` of
    the restore point ``id``. ``points`` (newest first) may name older ones beneath it."""
    names = list(dict.fromkeys([work["id"], *(one["id"] for one in work["points"])]))
    jobs = [job for name in names for job in host.jobs.known(name)]
    try:
        packs = {one["id"]: one for one in host.verbs.inspected(Request()).report["packs"]}
        known = [packs[name] for name in names if name in packs]
        answer = _busy(known, jobs) or _judged(host, packs.get(work["id"]), known)
    except (RestoreError, OSError) as error:
        answer = told("failed", str(error))
    detail = dict(answer["detail"])
    detail["points"] = [
        {"id": name, **{key: packs[name].get(key) for key in ("owner", "phase")}}
        for name in names
        if name in packs
    ]
    if jobs:
        detail["jobs"] = short_jobs(jobs)[:_MOST]
    records = undo_records(folder)
    if records:
        # The earliest of them are in the journal by now.
        detail["records"] = [_short(one) for one in records[-_RECORDS:]]
    return {**answer, "detail": detail}


def _short(record: Told) -> Told:
    """A record without the ends of its long lists."""
    return {key: one[:_MOST] if isinstance(one, list) else one for key, one in record.items()}


def _busy(packs: list[Told], jobs: list[Told]) -> Told | None:
    """Something of ours still works there."""
    working = [one["id"] for one in jobs if one["state"] == "running"]
    if working:
        return told("busy", "job {0} is running".format(working[0]))
    for pack in packs:
        if pack.get("phase") == Phase.UNDOING.value:
            return told("busy", "restore point {0} is being undone".format(pack["id"]))
        if pack.get("apply_running"):
            return told("busy", "what changes the host is still running")
    return None


def _judged(host: Host, own: Told | None, packs: list[Told]) -> Told:
    phase = own.get("phase") if own else None
    if own is None or phase in (None, Phase.CAPTURED.value):
        return told("untouched")
    if phase == Phase.ARMED.value:
        return told("armed", "", {"left": own.get("left"), "dead_man": own.get("dead_man")})
    if phase == Phase.RESTORED.value:
        return _restored(host, own, packs)
    if phase == Phase.RESIDUE.value:
        return told("residue", "", of_record(own))
    if phase == Phase.CONFIRMED.value:
        return told("confirmed", "", _with_different({}, _different(host, own)))
    return told("failed", "; ".join(map(str, own.get("damage", ["its pack is damaged"]))))


def _restored(host: Host, own: Told, packs: list[Told]) -> Told:
    """Only what is restored now. Where older packs were undone as well, the host is as the oldest
    of them has it, and not as the newer ones."""
    different: list[Told] = []
    covered: set[str] = set()
    for pack in reversed([one for one in packs if one.get("phase") == Phase.RESTORED.value]):
        different += [one for one in _different(host, pack) if one["item"] not in covered]
        covered.update(pack.get("items", []))
    detail = of_record(own)
    if not different:
        return told("restored", "", detail)
    # It was restored once; since then somebody, or a late task, has changed it again.
    detail.pop("restored_at", None)
    detail["residue"] = different[:_MOST]
    why = "it was restored, and is not as it was at capture now"
    return told("residue", why, _with_different(detail, different))


def _different(host: Host, pack: Told) -> list[Told]:
    """What is not as the pack has it, now; a pack that cannot say so any more is told as well."""
    seen = host.verbs.inspected(Request(id=pack["id"])).report
    damage = [{"item": "pack", "why": str(one)} for one in seen.get("damage") or []]
    found: list[Told] = list(seen.get("different", []))
    return [*found, *damage]


def _with_different(detail: Told, different: list[Told]) -> Told:
    return {**detail, "different": different[:_MOST]} if different else detail
