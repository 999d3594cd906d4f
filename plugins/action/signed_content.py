# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of staging a library: an unsigned or badly signed one never leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.storewarden.ops.plugins.module_utils.content.arriving import refusal
from ansible_collections.storewarden.ops.plugins.module_utils.content.library import SOURCE
from ansible_collections.storewarden.ops.plugins.module_utils.content.options import SPEC
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.bad_signature import (
    BadSignature,
)
from ansible_collections.storewarden.ops.plugins.module_utils.signatures.checking import sha256_of
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.plugin_utils.signed_source import (
    bring,
    checked,
    local_file,
    trust,
)

_OWN = {
    "source": {"type": "str", "required": True},
    "signature": {"type": "str", "default": ""},
    "key": {"type": "str", "default": "", "no_log": False},
    "lock": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):
    """Proves the library, asks the host whether it needs it, copies it, has it proved again."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _spec, given = self.validate_argument_spec({**SPEC, **_OWN})
        try:
            preflight = self._preflight(dict(given), task_vars or {})
        except (Unfit, BadSignature) as no:
            preflight = refusal(no.reason())
        said = preflight["reason"]["en"]
        return {"changed": False, "msg": said or "proved", "preflight": preflight}

    def _preflight(self, given: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        proof_of = trust(given, must=True)
        source = local_file("source", given["source"])
        proof = checked(source, "", proof_of)
        sha256 = sha256_of(str(source))
        _as_locked(given["lock"], sha256)
        work = {
            "word": "look",
            "sha256": sha256,
            "file_name": source.name,
            "size": source.stat().st_size,
            "trust": proof_of.packed(),
        }
        answer = self._asked(given, work, variables)
        if answer["bring"] and not self._task.check_mode:
            self._copied(source, given["stage"], variables)
        if answer["judge"]:
            answer = self._asked(given, {**work, "word": "judge"}, variables)
        preflight: dict[str, Any] = answer["preflight"]
        if proof and preflight["ready"] and not given["lock"]:
            # What every wave must install: these very bytes, signed by this key.
            preflight["lock"] = {"sha256": sha256, "key": proof.key, "signed_at": proof.signed_at}
        return preflight

    def _asked(
        self, given: Mapping[str, Any], work: dict[str, Any], variables: dict[str, Any]
    ) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="storewarden.ops.signed_content",
            module_args={**{name: given[name] for name in SPEC}, "work": work},
            task_vars=variables,
        )
        if "preflight" not in result:
            said = result.get("msg") or result.get("module_stderr") or "no answer"
            raise AnsibleActionFail(" ".join(str(said).split()))
        return result

    def _copied(self, source: Path, stage: str, variables: dict[str, Any]) -> None:
        result = bring(self, source, f"{stage}/{SOURCE}", variables)
        if result.get("failed"):
            raise AnsibleActionFail(f"the library could not be copied: {result.get('msg')}")


def _as_locked(lock: Mapping[str, Any], sha256: str) -> None:
    wanted = str(lock.get("sha256") or "")
    if wanted and wanted != sha256:
        raise Unfit(
            f"the library is another one ({sha256[:12]}) than the canary got ({wanted[:12]})",
            f"规则库（{sha256[:12]}）与试点使用的（{wanted[:12]}）不是同一个",
        )
