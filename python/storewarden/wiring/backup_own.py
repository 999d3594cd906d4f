# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller backs up of itself: its record, as the account that runs it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from storewarden.domain.backup.policy import Method

if TYPE_CHECKING:
    from storewarden.config.site import SiteConfig
    from storewarden.domain.backup.policy import Policy

_STATE = "storewarden"


def own_record(config: SiteConfig, policy: Policy) -> Policy:
    """A policy of the method ``ledger`` with this site's settings as its source, where it says
    nothing else; any other as it is."""
    if policy.method is not Method.LEDGER:
        return policy
    found: dict[str, object] = {
        "command": [_program(), "ledger", "backup"],
        "anchors": str(config.anchor_file),
        "repository": str(_folder(config) / "repositories" / policy.id),
    }
    if config.source is not None:
        found["config"] = str(config.source)
    if config.state_dir.name == _STATE:  # the environment may have said so, which a job has not
        found["state"] = str(config.state_dir.parent)
    return replace(policy, source=found | dict(policy.source))


def own_variables(config: SiteConfig) -> dict[str, object]:
    """How plays do jobs on this machine: by the account that runs storewarden, below its own state.
    Not where jobs of root would lie, when the same machine is a host of the inventory as well."""
    return {
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "backup_root": str(_folder(config)),
        "backup_path": os.environ.get("PATH") or os.defpath,
    }


def _folder(config: SiteConfig) -> Path:
    return config.state_dir / "own-backups"


def _program() -> str:
    """The command of this very installation."""
    beside = Path(sys.executable).with_name("storewarden")
    return str(beside) if beside.exists() else "storewarden"
