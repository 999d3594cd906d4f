# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of a repair: what is asked of the host around the role, and what is told.

The first word needs no host, so the first thing that a host is asked is the role's own diagnosis.
Whatever happens, each reachable host ends its repair with one report.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.storewarden.ops.plugins.plugin_utils import heal_report as words
from ansible_collections.storewarden.ops.plugins.plugin_utils.fresh_connection import drop, unshared
from ansible_collections.storewarden.ops.plugins.plugin_utils.heal_begin import too_many, variables
from ansible_collections.storewarden.ops.plugins.plugin_utils.heal_meta import HealProblem

Result = dict[str, Any]
_PASSED_ON = ("state", "reason", "reason_zh", "plan", "capture")
_SPEC = {
    "word": {"type": "str", "required": True},
    "failed_task": {"type": "dict", "default": {}},
    "failed_result": {"type": "dict", "default": {}},
    "undone": {"type": "dict", "default": {}},
}
_WORDS = ("begun", "decided", "ended", "undone", "told")


class ActionModule(ActionBase):
    """One word of a repair."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> Result:
        super().run(tmp, task_vars)
        _spec, self._given = self.validate_argument_spec(_SPEC)
        self._variables = task_vars or {}
        if self._given["word"] not in _WORDS:
            raise AnsibleError(f"heal_step: no word called {self._given['word']}")
        result: Result = getattr(self, "_" + self._given["word"])()
        return result

    # -- the words -----------------------------------------------------------------------------

    def _begun(self) -> Result:
        """Variables for the role; a repair that cannot be meant is refused here."""
        token = time.monotonic_ns()
        try:
            hosts = self._variables.get("ansible_play_hosts_all") or ()
            too_many(len(hosts), self._variables.get("ansible_limit"), self._templated)
            found = variables(self._templated, self._variables.get, _role_folders())
        except HealProblem as problem:
            text = str(problem)
            reason = {"en": text, "zh": f"自愈参数有误：{text}"}
            about = {"action": self._variables.get("heal_action")}
            return {**words.reported(about, words.FAILED, reason), "token": token}
        # Options may hold what nobody should read over an operator's shoulder.
        return {
            "changed": False,
            "variables": found,
            "token": token,
            "_ansible_verbose_override": True,
        }

    def _decided(self) -> Result:
        """Ends the repair unless the fault is there; else the restore point is armed."""
        said = self._variables.get("heal_diagnosed")
        problems = words.diagnosis_problems(said, self._begun_with("heal_operations"))
        if problems:
            return self._report(words.FAILED, _in_english(problems[0]), "diagnosed")
        diagnosis = said["diagnosis"]
        reason = words.reason_of(diagnosis)
        state = diagnosis["state"]
        wrong = words.clock_problem(said, time.time())
        if state == "needed" and wrong is not None:
            return self._report(words.ESCALATE, wrong, "diagnosed", act=False)
        if state != "needed":
            return self._report(state, reason, "diagnosed", act=False)
        left = self._left(diagnosis, reason)
        if left is not None:
            return left
        if diagnosis["capture"]:
            answer = self._host("prepared", items=diagnosis["capture"])
            if answer["report"] != "armed":
                told = {
                    "en": f"nothing was touched, no restore point: {answer['reason']}",
                    "zh": f"未作任何改动，无法建立恢复点：{answer['reason']}",
                }
                return self._report(words.FAILED, told, "diagnosed", act=False)
        passed = {key: diagnosis[key] for key in _PASSED_ON}
        return {
            "changed": False,
            "act": True,
            "armed": bool(diagnosis["capture"]),
            "diagnosis": {**passed, "seconds": self._begun_with("heal_act_seconds")},
            "token": self._token(),
        }

    def _left(self, diagnosis: Result, reason: dict[str, str]) -> Result | None:
        """The end of a repair that is only looked at, or whose work must not be done now."""
        if self._task.check_mode or self._begun_with("heal_look"):
            return self._report(words.LOOKED, reason, "diagnosed", act=False)
        closed = words.closed_to(diagnosis["plan"], self._begun_with("heal_closed"))
        if closed is None:
            return None
        told = {key: f"{reason[key]}; {closed[key]}" for key in ("en", "zh")}
        return self._report(words.ESCALATE, told, "diagnosed", act=False)

    def _ended(self) -> Result:
        """The host is well: the change stays. Else the task fails, and it is taken back."""
        said = self._variables.get("heal_verified")
        problems = words.finding_problems(said)
        if problems:
            return {"failed": True, "msg": problems[0]}
        reason = words.reason_of(said["finding"])
        if not said["finding"]["well"]:
            return {"failed": True, "msg": reason["en"], "reason": reason, "not_well": True}
        if self._variables["heal_decided"]["armed"]:
            drop(self._connection)
            with unshared(self._connection):  # a repair that locks everybody out must not stay
                answer = self._host("confirmed")
            if answer["report"] != "verified":
                told = {
                    "en": f"could not be confirmed: {answer['reason']}",
                    "zh": f"无法确认：{answer['reason']}",
                }
                return {"failed": True, "msg": told["en"], "reason": told}
        return self._report(words.REPAIRED, reason, "diagnosed", "acted", "verified")

    def _undone(self) -> Result:
        """After a failure: back at once. Never fails itself; ``told`` reports what it says."""
        because = self._given["failed_result"]
        own = words.own_report(because)
        if own is not None:
            return {"changed": False, "role": False, "own": own}
        not_well = bool(because.get("not_well"))
        reason = because.get("reason") if not_well else None
        found: Result = {
            "changed": False,
            "role": False,
            "end": words.NOT_WELL if not_well else words.FAILED,
            "reason": reason or words.broken(str(self._given["failed_task"].get("name")), because),
        }
        if not self._acted():
            return found
        if self._variables["heal_decided"]["armed"]:
            found["undone"] = words.undone_of(self._asked_for_undo())
        role = self._begun_with("heal_undo") == "role"
        return {**found, "changed": "undone" in found, "role": role}

    def _told(self) -> Result:
        """The report of a repair in which something failed."""
        given = self._given["undone"]
        if given.get("own"):
            own = given["own"]
            line = f"heal {own['action']}: {own['end']}; {own['reason']}"
            return {"failed": True, "msg": line, "storewarden": {"heal": own}}
        undone = dict(given.get("undone") or {})
        if given.get("role"):
            undone |= self._taken_back()
        phases = ("diagnosed", "acted", "verified") if self._acted() else ("diagnosed",)
        more = {"undone": undone} if undone else {}
        return self._report(given["end"], given["reason"], *phases, **more)

    def _taken_back(self) -> Result:
        """What the role's own undo came to."""
        if self._given["failed_task"].get("name"):
            why = words.broken(self._given["failed_task"]["name"], self._given["failed_result"])
            return {"report": "residue", "reason": why["en"]}
        said = self._variables.get("heal_taken_back") or {}
        return {"steps": list(said.get("steps") or [])}

    # -- the host ------------------------------------------------------------------------------

    def _asked_for_undo(self) -> Result:
        """The host's answer, ``failed`` when it has none: then it goes back by itself, in time. A
        lost line stays one."""
        try:
            with unshared(self._connection):
                return self._host("undone")
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            return {"report": "failed", "reason": str(error), "detail": {}}

    def _host(self, word: str, **more: Any) -> Result:
        """The host's answer; AnsibleError when the module had none."""
        work = {
            "word": word,
            "id": self._begun_with("heal_run"),
            "owner": self._begun_with("heal_change"),
            "epoch": self._begun_with("heal_epoch"),
            "deadline": self._begun_with("heal_grant"),
            **more,
        }
        result = self._execute_module(
            module_name="storewarden.ops.heal_step",
            module_args={"work": work},
            task_vars=self._variables,
        )
        answer = result.get("step")
        if not isinstance(answer, dict):
            said = result.get("msg") or result.get("module_stderr") or "no answer"
            raise AnsibleError(" ".join(str(said).split()))
        return answer

    # -- the report ----------------------------------------------------------------------------

    def _report(self, end: str, reason: dict[str, str], *phases: str, **more: Any) -> Result:
        about = {
            "action": self._begun_with("heal_action") or self._variables.get("heal_action"),
            "run": self._begun_with("heal_run"),
            **{one: self._variables.get(f"heal_{one}") for one in phases},
        }
        act = more.pop("act", None)
        result = words.reported(about, end, reason, **more)
        return {**result, "token": self._token(), **({} if act is None else {"act": act})}

    def _token(self) -> Any:
        """Which repair this is: another one of the same run has left its variables behind."""
        return (self._variables.get("heal_begun") or {}).get("token")

    def _acted(self) -> bool:
        """Whether this repair came as far as act."""
        decided = self._variables.get("heal_decided") or {}
        return bool(decided.get("act")) and decided.get("token") == self._token()

    def _begun_with(self, name: str) -> Any:
        return ((self._variables.get("heal_begun") or {}).get("variables") or {}).get(name)

    def _templated(self, name: str) -> Any:
        """A variable of the host, None when it is not set."""
        if name not in self._variables:
            return None
        try:
            return self._templar.template(self._variables[name])
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            first = str(error).splitlines()[0]
            raise HealProblem(f"{name} cannot be worked out: {first}") from None


def _in_english(text: str) -> dict[str, str]:
    return {"en": text, "zh": f"角色有误：{text}"}


def _role_folders() -> list[Path]:
    """Where a site's own roles are."""
    return [Path(one) for one in constants.DEFAULT_ROLES_PATH or ()]
