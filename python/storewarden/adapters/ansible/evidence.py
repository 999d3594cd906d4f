# SPDX-License-Identifier: GPL-3.0-or-later
"""Collecting what is known of a run from its directory, for the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from storewarden.adapters.ansible import collection, processes
from storewarden.adapters.ansible.rundir import Request, RunDir, read_json
from storewarden.adapters.ansible.verdict import Ending, Evidence
from storewarden.domain.errors import ContentMissing


def gathered(
    run: RunDir, request: Request, ending: Ending, *, rc: int | None = None, cause: str = ""
) -> Evidence:
    """The evidence as it stands now."""
    lease = read_json(run.lease_file)
    return Evidence(
        planned=request.hosts,
        free=tuple(cast("Sequence[str]", lease["free"])) if lease else None,
        busy=cast("Mapping[str, str]", lease["busy"]) if lease else {},
        ending=ending,
        rc=rc,
        cause=cause,
        collection=_collection(),
        playing=ending is Ending.LOST and bool(processes.marked(request.run_id)),
    )


def _collection() -> str:
    try:
        return str(collection.directory())
    except ContentMissing:  # removed while the run went on: nothing to compare with
        return ""
