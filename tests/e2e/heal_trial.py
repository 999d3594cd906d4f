# SPDX-License-Identifier: GPL-3.0-or-later
"""The heal action ``trial``, as a site would have it among its own roles.

What is wrong is what a file says: ``sick`` is a fault that can be repaired, ``dead`` one that
cannot. The test says how the repair comes out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FILE, NOTE = "/srv/trial", "/srv/trial-undone"

_MODULE = '''#!/usr/bin/python
"""A trial."""

from __future__ import annotations

import os
import time

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    Action,
    Diagnosis,
    Evidence,
    Finding,
    HealError,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.visit import run

FILE, NOTE = "/srv/trial", "/srv/trial-undone"
STATES = {"sick": "needed", "dead": "escalate"}


class Trial(Action):
    name = "trial"
    judges_ages = True

    def facts(self, host, options):
        if options["how"] == "early":
            now = time.time()
            time.time = lambda: now + 86400
        with open(FILE) as stream:
            return {"said": stream.read()}

    def evidence(self, host, facts, options):
        seconds = os.environ.get("STOREWARDEN_HEAL_SECONDS", "")
        return (
            Evidence("file", facts["said"] + " password=hunter2"),
            Evidence("seconds of a look", seconds),
        )

    def diagnose(self, facts, options):
        said = facts["said"]
        items = ({"kind": "file", "path": FILE},) if options["keep"] else ()
        state = STATES.get(said, "healthy")
        return Diagnosis(state, "it is " + said, "状态：" + said, {"file": FILE}, items)

    def act(self, host, diagnosis, options):
        with open(diagnosis.plan["file"], "w") as stream:
            stream.write(options["write"])
        if options["how"] == "fail":
            raise HealError("the medicine is gone", "药品用完")
        if options["how"] == "hang":
            time.sleep(3600)
        return [Step("wrote " + options["write"], "已写入 " + options["write"], 7)]

    def verify(self, host, diagnosis, options):
        return Finding(options["how"] != "no use", "it was " + options["how"], "结果")

    def undo(self, host, diagnosis, options):
        with open(NOTE, "w") as stream:
            stream.write("undone")
        return [Step("left a note", "已留言")]


OPTIONS = {
    "write": {"type": "str", "default": "well"},
    "how": {"type": "str", "default": "good"},
    "keep": {"type": "bool", "default": True},
}


if __name__ == "__main__":
    run(Trial(), OPTIONS)
'''
_OPTIONS = {
    "write": {"type": "str", "default": "well", "description": "what is written"},
    "how": {"type": "str", "default": "good", "description": "how it comes out"},
    "keep": {"type": "bool", "default": True, "description": "whether a restore point is made"},
}
_BOTH = {"en": "a trial", "zh": "试验"}
_META: dict[str, Any] = {
    "summary": _BOTH, "alerts": [], "risk": "low", "operation": "service-recovery",
    "disruptive": False, "idempotent": True, "timing": {"diagnose": 60, "act": 4, "verify": 1},
    "verify": "host", "undo": "role", "undo_note": _BOTH, "never": _BOTH,
    "cases": [
        {"name": "well", "facts": {"said": "well"}, "options": {}, "state": "healthy"},
    ],
}  # fmt: skip
_REGISTERED = {
    "diagnose": "heal_diagnosed",
    "act": "heal_acted",
    "verify": "heal_verified",
    "undo": "heal_taken_back",
}


def write_trial(roles: Path) -> None:
    """The role, below ``roles``."""
    role = roles / "heal_trial"
    for name in ("meta", "tasks", "defaults", "library"):
        (role / name).mkdir(parents=True)
    (role / "library" / "heal_trial.py").write_text(_MODULE, "utf-8")
    (role / "meta" / "heal.yml").write_text(yaml.safe_dump(_META, allow_unicode=True), "utf-8")
    options = {f"heal_trial_{name}": spec for name, spec in _OPTIONS.items()}
    specs = {"argument_specs": {"diagnose": {"options": options}}}
    (role / "meta" / "argument_specs.yml").write_text(yaml.safe_dump(specs), "utf-8")
    for phase, registered in _REGISTERED.items():
        asked: dict[str, Any] = {"phase": phase, "options": "{{ heal_values }}"}
        if phase != "diagnose":
            asked["diagnosis"] = "{{ heal_diagnosis }}"
        if phase == "verify":
            asked["within"] = "{{ heal_within }}"
        task = {"name": phase, "ansible.legacy.heal_trial": asked, "register": registered}
        (role / "tasks" / f"{phase}.yml").write_text(yaml.safe_dump([task], sort_keys=False))
