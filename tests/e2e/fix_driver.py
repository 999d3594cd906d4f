# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a lab host: put it into each state, make the control's fix there, look before and after.

One JSON document on standard input: ``{archive, states}``; ``archive`` is the collection's part for
hosts and ``state_driver.py`` as a base64 zip file, a state is ``{script, control, fix}``. One JSON
list on standard output, an entry per state. Each state gets a view of the file systems of its own,
so nothing of it stays; for the same reason no service is told.

Standard library only, for the host's own Python.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import os
import sys
import tempfile
import zipfile

_UTILS = "ansible_collections.storewarden.ops.plugins.module_utils."


def main() -> None:
    work = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        archive = io.BytesIO(base64.b64decode(work["archive"]))
        zipfile.ZipFile(archive).extractall(folder)
        sys.path.insert(0, folder)
        for name in ("baseline.evaluate", "baseline.host_system", "hardening.planning"):
            importlib.import_module(_UTILS + name)
        for name in ("hardening.hands_host", "hardening.after_act", "hardening.claims"):
            importlib.import_module(_UTILS + name)
        importlib.import_module("state_driver")
        json.dump([_in_a_child(state) for state in work["states"]], sys.stdout)


def _in_a_child(state: dict) -> dict:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = _fixed(state)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shall say it
            answer = {"broken": f"{type(error).__name__}: {error}"}
        os.close(reader)
        with os.fdopen(writer, "w") as stream:
            json.dump(answer, stream)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"broken": "its process ended without an answer"}


def _fixed(state: dict) -> dict:
    steps = sys.modules["state_driver"]
    steps._own_view()
    steps._reach(state["script"])
    answer = {"before": _verdict(state), **_made(state["fix"])}
    return {**answer, "after": _verdict(state), "again": _plan(state["fix"])["changes"]}


def _look() -> object:
    return sys.modules[_UTILS + "baseline.host_system"].HostSystem("/")


def _verdict(state: dict) -> dict:
    evaluate = sys.modules[_UTILS + "baseline.evaluate"].evaluate_control
    return evaluate(_look(), state["control"])


def _plan(fix: dict) -> dict:
    plan = sys.modules[_UTILS + "hardening.planning"].plan_group(_look(), [fix])
    items = [item for step in plan.steps for item in step.items]
    return {"problem": plan.problems(), "changes": plan.report()[0]["changes"], "items": items}


def _made(fix: dict) -> dict:
    """As transaction.py does it, without a restore point and without telling any service."""
    answer = {**_plan(fix), "remains": []}
    kinds = sys.modules[_UTILS + "hardening.kinds"]
    hands = sys.modules[_UTILS + "hardening.hands_host"].HostHands()
    claims = sys.modules[_UTILS + "hardening.claims"]
    if answer["problem"]:
        return answer
    made = []
    for one in fix["steps"]:
        step = kinds.plan(_look(), one)
        answer["remains"] += [text["en"] for text in step.remains]
        unkept = claims.uncovered(step.items, claims.union([answer["items"]]))
        if unkept:
            return {**answer, "broken": f"not kept: {unkept}"}
        if step.changes:
            step.act(hands)
            made.append(step)
    sys.modules[_UTILS + "hardening.after_act"].check(hands, made)
    return answer


if __name__ == "__main__":
    main()
