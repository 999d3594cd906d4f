# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of a payload's phases: what is asked of the host, and what is reported.

The playbooks say one word before the role's work and one after it, and two more when something
failed. Whatever happens, each reachable host ends its phase with one report.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.storewarden.ops.plugins.plugin_utils.fresh_connection import (
    closed_ports,
    drop,
    unshared,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.payload_begin import variables
from ansible_collections.storewarden.ops.plugins.plugin_utils.payload_meta import PayloadProblem
from ansible_collections.storewarden.ops.plugins.plugin_utils.payload_report import (
    bad_probes,
    failure,
    own_report,
    preflight_problems,
    reported,
    verify_problems,
)

Result = dict[str, Any]
_PAUSE = 1.0  # seconds between two attempts to come back
_TOLD = ("changes", "lock", "job", "reboot")  # of the preflight's fact
_VALIDATION = ("ansible.builtin.validate_argument_spec", "validate_argument_spec")
_OVER = ("verified", "restored", "residue", "nothing")  # nothing of it is needed any more
_SPEC = {
    "word": {"type": "str", "required": True},
    "phase": {"type": "str"},
    "failed_task": {"type": "dict", "default": {}},
    "failed_result": {"type": "dict", "default": {}},
    "undone": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):
    """One word of a phase."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> Result:
        super().run(tmp, task_vars)
        _spec, self._given = self.validate_argument_spec(_SPEC)
        self._variables = task_vars or {}
        word = getattr(self, "_" + self._given["word"], None)
        if word is None:
            raise AnsibleError(f"payload_step: no word called {self._given['word']}")
        result: Result = word()
        return result

    # -- the words -----------------------------------------------------------------------------

    def _begun(self) -> Result:
        """Variables for the role; a phase that cannot be meant is refused here."""
        phase = str(self._given["phase"])
        frame = {"phase": phase, "began": time.monotonic()}
        try:
            found = variables(phase, self._asked, _role_folders())
        except PayloadProblem as problem:
            text = str(problem)
            reason = {"en": text, "zh": f"载荷参数有误：{text}"}
            about = {**frame, "point": self._asked("payload_point")}
            return reported(about, {"report": "refused", "reason": reason})
        options = found.pop("options")
        found["payload_frame"] = frame
        # Options may hold what nobody should read over an operator's shoulder.
        quiet = {"_ansible_verbose_override": True}
        return {"changed": False, "variables": found, "options": options, **quiet}

    def _captured(self) -> Result:
        found = self._asked("payload_preflight")
        meta = self._asked("payload_meta")
        wants_lock = bool(meta["lock"]) and not self._asked("payload_lock")
        problems = preflight_problems(found, wants_lock=wants_lock)
        if problems:
            return self._report({"report": "failed", "reason": problems[0]}, clean=True)
        detail = {key: found[key] for key in _TOLD if found.get(key)}
        if not found["ready"]:
            answer = {"report": "refused", "reason": found["reason"], "detail": detail}
            return self._report(answer, clean=True)
        if found.get("nothing"):
            reason = found.get("reason") or ""
            return self._report({"report": "nothing", "reason": reason, "detail": detail}, True)
        kept = {name: found.get(name, []) for name in ("items", "exclude", "package_sources")}
        answer = self._host("captured", **kept)
        return self._report({**answer, "detail": {**detail, **answer["detail"]}})

    def _armed(self) -> Result:
        answer = self._host("armed")
        if answer["report"] != "armed":
            return self._report(answer)
        return {"changed": False, "msg": "armed"}

    def _settled(self) -> Result:
        """All hosts of the run are done. A host that has gone back meanwhile reports that."""
        if self._task.check_mode:
            return {"changed": False, "msg": "settled"}
        deadline = float(self._asked("payload_deadline")) + float(self._asked("payload_queue"))
        answer = self._host("extended", deadline=deadline, exact=True)
        if answer["report"] not in ("extended", "confirmed"):
            return self._report(answer)
        return {"changed": False, "msg": "settled"}

    def _applied(self) -> Result:
        applied = self._asked("payload_applied")
        detail = {"applied": applied} if applied else {}
        if self._task.check_mode:
            return self._report({"report": "applied", "detail": detail})
        answer = self._host("extended", deadline=self._until_judged(), exact=True)
        if answer["report"] == "extended":
            answer = {"report": "applied", "reason": "", "detail": {}}
        return self._report({**answer, "detail": {**detail, **answer["detail"]}})

    def _until_judged(self) -> float:
        """A whole deadline when all hosts of the run are done, and alone at once."""
        spent = time.monotonic() - float(self._frame()["began"])
        waits = float(self._asked("payload_wait") or 0.0)
        return float(self._asked("payload_deadline")) + max(0.0, waits - spent)

    def _met(self) -> Result:
        """The host over a connection that shares nothing with those before."""
        meta = self._asked("payload_meta")
        patience = float(self._asked("payload_probe_seconds"))
        boot = float(meta["timing"]["reboot"]) if meta["reboots"] else 0.0
        drop(self._connection)
        answer = self._patiently("extended", patience + boot)
        if answer["report"] not in ("extended", "confirmed"):
            return self._report(answer)
        closed = closed_ports(self._address(), self._asked("payload_probe_ports"), patience)
        if closed:
            names = ", ".join(map(str, closed))
            reason = {
                "en": f"the controller does not reach port {names} any more",
                "zh": f"控制端已无法访问端口 {names}",
            }
            return {"failed": True, "msg": reason["en"], "reason": reason}
        return {"changed": False, "msg": "met"}

    def _confirmed(self) -> Result:
        found = self._asked("payload_verify")
        problems = verify_problems(found)
        probes = [] if problems else list(found.get("probes", []))
        if problems or not found["ok"]:
            reason = {"en": problems[0], "zh": problems[0]} if problems else bad_probes(probes)
            return {"failed": True, "msg": reason["en"], "reason": reason, "probes": probes}
        with unshared(self._connection):  # the new connection may have been the last one
            answer = self._host("confirmed")
        return self._report({**answer, "detail": {**answer["detail"], "probes": probes}})

    def _undone(self) -> Result:
        """After a failure: back at once. Never fails itself; ``told`` reports the answer."""
        own = own_report(self._given["failed_result"])
        if own is not None:
            return _kept(own)
        task, because = self._given["failed_task"], self._given["failed_result"]
        reason = failure(str(task.get("name", "")), because)
        answer: Result = {"report": "refused" if task.get("action") in _VALIDATION else "failed"}
        if self._phase() != "preflight" and not self._task.check_mode:
            answer = self._asked_for_undo("undone")
        detail = {**(answer.get("detail") or {}), "task": str(task.get("name", ""))}
        if because.get("probes"):
            detail["probes"] = because["probes"]
        return _kept({**answer, "reason": _with(reason, answer), "detail": detail})

    def _undone_all(self) -> Result:
        with unshared(self._connection):
            return _kept(self._asked_for_undo("undone_all", points=self._points()))

    def _asked_for_undo(self, word: str, **more: Any) -> Result:
        """The host's answer, ``failed`` when it has none. A lost line stays one."""
        try:
            return self._host(word, **more)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            return {"report": "failed", "reason": str(error), "detail": {}}

    def _told(self) -> Result:
        """The report of a phase in which something failed, or of an undo."""
        own = own_report(self._given["failed_result"])
        if own is not None:
            return self._report(own)
        answer = self._given["undone"].get("answer") or {"report": "failed"}
        task = self._given["failed_task"]
        if task:
            answer = _with_residue(answer, str(task.get("name", "")), self._given["failed_result"])
        problem = self._asked("payload_role_problem")
        if problem and not task:
            answer = {**answer, "reason": _without_role(str(problem), answer)}
        sweep = self._phase() == "preflight" or answer["report"] in _OVER
        return self._report(answer, clean=sweep)

    def _probed(self) -> Result:
        with unshared(self._connection):
            return self._report(self._host("probed", points=self._points()))

    # -- the host ------------------------------------------------------------------------------

    def _patiently(self, word: str, seconds: float) -> Result:
        """As ``_host``, again and again until there is a connection. Raises
        AnsibleConnectionFailure when there is none in time: the host is unreachable."""
        end = time.monotonic() + seconds
        while True:
            try:
                with unshared(self._connection):
                    return self._host(word)
            except AnsibleConnectionFailure:
                if time.monotonic() >= end:
                    raise
                time.sleep(_PAUSE)

    def _host(self, word: str, **more: Any) -> Result:
        """The host's answer; AnsibleError when the module had none."""
        work = {
            "word": word,
            "id": self._asked("payload_point"),
            "owner": self._asked("payload_change"),
            "epoch": self._asked("payload_epoch") if self._asked("payload_epoch") != "" else None,
            "deadline": self._asked("payload_grant"),
            **more,
        }
        result = self._execute_module(
            module_name="storewarden.ops.payload_step",
            module_args={"work": work},
            task_vars=self._variables,
        )
        answer = result.get("step")
        if not isinstance(answer, dict):
            said = result.get("msg") or result.get("module_stderr") or "no answer"
            raise AnsibleError(" ".join(str(said).split()))
        return answer

    # -- the report ----------------------------------------------------------------------------

    def _report(self, answer: Result, clean: bool = False) -> Result:
        about = {
            **self._frame(),
            **({"phase": answer["phase"]} if answer.get("phase") else {}),
            "point": self._asked("payload_point") or "",
            "rollout": self._asked("payload_rollout"),
            "check": bool(self._task.check_mode),
        }
        if clean and self._asked("payload_points") is not None:
            swept = self._swept()
            answer = {**answer, "detail": {**swept, **(answer.get("detail") or {})}}
        return reported(about, answer)

    def _swept(self) -> Result:
        """Jobs and downloads are gone; a host that does not answer any more is none the worse."""
        try:
            detail: Result = self._host("cleaned", points=self._points())["detail"]
        except AnsibleError:
            return {}
        return detail

    def _phase(self) -> str:
        return str(self._frame()["phase"])

    def _frame(self) -> Result:
        frame: Result = self._asked("payload_frame") or {}
        return {"phase": self._given["phase"] or "", "began": time.monotonic(), **frame}

    def _points(self) -> list[Any]:
        found: list[Any] = self._asked("payload_points") or []
        return found

    def _address(self) -> str:
        """Where the host is reached from here."""
        return str(self._asked("ansible_host") or self._variables.get("inventory_hostname", ""))

    def _asked(self, name: str) -> Any:
        """A variable as the phase began with it, else as it is; None when it is not set."""
        begun = self._variables.get("payload_begun")
        if self._given["word"] == "begun":
            begun = None  # of an earlier phase in the same run: the lock has come since
        if isinstance(begun, dict) and name in (begun.get("variables") or {}):
            return self._templar.template(begun["variables"][name])
        if name not in self._variables:
            return None
        try:
            return self._templar.template(self._variables[name])
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            first = str(error).splitlines()[0]
            raise PayloadProblem(f"{name} cannot be worked out: {first}") from None


def _with(reason: dict[str, str], answer: Result) -> dict[str, str]:
    """Why it failed; and why it could not be taken back, where that is so."""
    more = answer.get("reason")
    if not more or answer.get("report") != "failed":
        return reason
    return {
        "en": f"{reason['en']}; its undo: {more}",
        "zh": f"{reason['zh']}；恢复：{more}",
    }


def _kept(answer: Result) -> Result:
    """An answer for a later task to report."""
    went = answer["report"] in ("restored", "residue")
    return {"changed": went, "answer": answer, "went": went}


def _without_role(problem: str, answer: Result) -> dict[str, str]:
    """The restore points were undone; what the role would have added was not."""
    said = f"{answer['reason']}; " if answer.get("reason") else ""
    return {
        "en": f"{said}the role's own undo was not run: {problem}",
        "zh": f"{said}未执行角色自身的恢复任务：{problem}",
    }


def _with_residue(answer: Result, task: str, result: Any) -> Result:
    """The role's own undo failed after the restore point's."""
    reason = failure(task, result)
    detail = answer.get("detail") or {}
    if answer["report"] not in ("restored", "residue", "nothing"):
        return {**answer, "reason": reason, "detail": {**detail, "task": task}}
    residue = [*detail.get("residue", []), {"item": "undo.yml", "why": reason["en"]}]
    return {
        "report": "residue",
        "reason": reason,
        "detail": {**detail, "residue": residue, "task": task},
    }


def _role_folders() -> list[Path]:
    """Where a site's own roles are."""
    return [Path(one) for one in constants.DEFAULT_ROLES_PATH or ()]
