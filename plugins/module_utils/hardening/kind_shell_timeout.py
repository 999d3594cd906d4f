# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``shell_timeout``: TMOUT for every shell, in one file of ours.

A second assignment anywhere would meet a read-only variable, and a login shell that stumbles over
it leaves the rest of its profile unread. So every other line about TMOUT is switched off; a command
that does nothing takes its place, since a comment alone could leave an ``if`` without a body.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.text_files import (
    files_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import text_edits
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.own_lines import HEADER
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.text_edits import OFF, Edit

# Scanners look for the declaration, which is bash's alone; dash would stumble over it.
_FORM = """\
if [ -n "${{BASH_VERSION-}}" ]; then
  declare -xr TMOUT={0}
else
  TMOUT={0}
  readonly TMOUT
  export TMOUT
fi
"""
_ABOUT = re.compile(r"(?:^|[\s;&|\"'])TMOUT(?:=|\b)")


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``path`` (ours), ``seconds``, ``files`` [globs] that shells read."""
    path = str(fix["path"])
    wanted = HEADER + _FORM.format(int(fix["seconds"]))
    others = [one for one in files_of(system, fix["files"]) if one != path]
    edits = [Edit(path, partial(_whole, wanted=wanted), 0o644)]
    edits += [Edit(one, _without) for one in others]
    writings = text_edits.written(system, edits)
    shell = "bash" if system.has_command("bash") else "sh"
    changes: list[Change] = []
    for one in writings:
        text = text_edits.text_of(system, one.path)
        if one.path == path:
            before = text_edits.value_in(text, "TMOUT", text_edits.Style(split="="))
            changes.append(Change(path + ": TMOUT", before, int(fix["seconds"])))
        else:
            gone = [line.strip() for line in text.split("\n") if _about(line)]
            changes += [Change(one.path, line, None) for line in gone]
    return Step(
        tuple(changes),
        tuple(text_edits.items(system, writings)),
        partial(text_edits.make, writings=writings),
        checks=tuple((shell, "-n", one.path) for one in writings),
    )


def _whole(_text: str, wanted: str) -> str:
    return wanted


def _without(text: str) -> str:
    return "\n".join(OFF + one.strip() + "\n:" if _about(one) else one for one in text.split("\n"))


def _about(line: str) -> bool:
    bare = line.strip()
    return not bare.startswith(("#", ":")) and bool(_ABOUT.search(bare))
