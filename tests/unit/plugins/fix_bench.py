# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a fix on an imagined host: what it plans, what making it comes to, what it leaves."""

from __future__ import annotations

from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.hardening.kinds import plan
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Step
from ansible_collections.storewarden.ops.plugins.plugin_utils.control_cases import CaseSystem
from tests.unit.plugins.fix_hosts import ImaginedHost


def planned(host: dict[str, Any], **fix: Any) -> Step:
    """The step of one kind on the host that a control's case would describe so."""
    return plan(CaseSystem(host), fix)


def done(host: dict[str, Any], **fix: Any) -> ImaginedHost:
    """The host after it; a second plan finds nothing more to write."""
    imagined = ImaginedHost(**{**host, "files": dict(host["files"])})
    step = plan(imagined.look(), fix)
    step.act(imagined)
    if imagined.written and not imagined.ran:
        assert plan(imagined.look(), fix).changes == ()
    return imagined


def told(step: Step) -> list[tuple[str, Any, Any]]:
    """The changes as plain triples."""
    return [(change.what, change.before, change.after) for change in step.changes]


def left(step: Step) -> str:
    """What is left to a person, in English."""
    return " | ".join(one["en"] for one in step.remains)
