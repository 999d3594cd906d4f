# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of staging a release: checked here, copied once, looked into there."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.storewarden.ops.plugins.module_utils.release.arriving import (
    ARCHIVE,
    refusal,
)
from ansible_collections.storewarden.ops.plugins.module_utils.release.standby import LEAVE, START
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.bad_signature import (
    BadSignature,
)
from ansible_collections.storewarden.ops.plugins.module_utils.staging.download import checked_url
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.plugin_utils.signed_source import (
    Trust,
    bring,
    checked,
    is_remote,
    local_file,
    trust,
)

_SPEC = {
    "archive": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "sha256": {"type": "str", "required": True},
    "signature": {"type": "str", "default": ""},
    "key": {"type": "str", "default": "", "no_log": False},
    "root": {"type": "path", "required": True},
    "user": {"type": "str", "default": "root"},
    "unit": {"type": "str", "default": ""},
    "unit_action": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
    "standby": {"type": "str", "choices": [LEAVE, START], "default": LEAVE},
    "strip": {"type": "int", "default": 0},
    "stage": {"type": "path", "required": True},
}
_PASSED_ON = (
    *("version", "sha256", "root", "user", "unit", "unit_action", "standby", "strip", "stage"),
)
_DIGEST = 64


class ActionModule(ActionBase):
    """Checks, asks the host whether it needs the archive, copies it, has it looked into."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _spec, given = self.validate_argument_spec(_SPEC)
        try:
            preflight = self._preflight(dict(given), task_vars or {})
        except (Unfit, BadSignature) as no:
            preflight = refusal(no.reason())
        said = preflight["reason"]["en"]
        return {"changed": False, "msg": said or "fit", "preflight": preflight}

    def _preflight(self, given: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        arrival = {name: given[name] for name in _PASSED_ON}
        _checked_digest(given["sha256"])
        proof_of = trust(given, must=False)
        arrival.update(proof_of.packed())
        if is_remote(given["archive"]):
            arrival["url"] = checked_url(given["archive"])
        else:
            arrival["size"] = self._known_here(given, proof_of)
        answer = self._asked("look", arrival, variables)
        if answer["bring"] and not (self._task.check_mode or arrival.get("url")):
            self._copied(given, variables)
        if answer["judge"]:
            answer = self._asked("judge", arrival, variables)
        preflight: dict[str, Any] = answer["preflight"]
        return preflight

    def _known_here(self, given: dict[str, Any], proof_of: Trust) -> int:
        """Bytes of a local archive that is what it should be."""
        path = local_file("archive", given["archive"])
        checked(path, given["sha256"], proof_of)
        return path.stat().st_size

    def _asked(
        self, word: str, arrival: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="storewarden.ops.release_archive",
            module_args={"work": {"word": word, "arrival": arrival}},
            task_vars=variables,
        )
        if "preflight" not in result:
            said = result.get("msg") or result.get("module_stderr") or "no answer"
            raise AnsibleActionFail(" ".join(str(said).split()))
        return result

    def _copied(self, given: dict[str, Any], variables: dict[str, Any]) -> None:
        source = local_file("archive", given["archive"])
        result = bring(self, source, f"{given['stage']}/{ARCHIVE}", variables)
        if result.get("failed"):
            raise AnsibleActionFail(f"the archive could not be copied: {result.get('msg')}")


def _checked_digest(text: str) -> None:
    bare = text.strip().lower()
    if len(bare) != _DIGEST or any(one not in "0123456789abcdef" for one in bare):
        raise Unfit(
            f"sha256: {text!r}: 64 hexadecimal digits are meant",
            f"sha256：{text!r}：应为 64 位十六进制",
        )
