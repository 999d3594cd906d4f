# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Why something was not done, in one line per language."""

from __future__ import annotations

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import FixFailed
from ansible_collections.storewarden.ops.plugins.module_utils.restore.failures import RestoreError

Text = dict[str, str]


def reason_of(error: BaseException) -> Text:
    """What went wrong, in one line per language; an error that nobody expected names its type."""
    if isinstance(error, (FixFailed, ProbeError)):
        reason: Text = error.reason()
        return reason
    said = " ".join(str(error).split())
    if not isinstance(error, (RestoreError, OSError)):
        said = "{0}: {1}".format(type(error).__name__, said)
    return {"en": said, "zh": said}


def joined(reasons: list[tuple[str, Text]]) -> Text:
    """Several reasons, each with the control it belongs to ("" for none)."""
    return {
        "en": "; ".join((name + ": " if name else "") + text["en"] for name, text in reasons),
        "zh": "；".join((name + "：" if name else "") + text["zh"] for name, text in reasons),
    }
