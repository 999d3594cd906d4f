# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of an action's module: one phase on this host, told as the framework wants it.

All modules ``heal_<name>`` are this function over an action of their own, so that they take the
same arguments and answer alike. Every phase has a time in which it ends, on the host itself: who
asked may be gone, and a program that nobody waits for any more must not go on repairing.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import Any, Iterator

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    HEALTHY,
    MOST_TEXT,
    STATES,
    Action,
    Diagnosis,
    Finding,
    HealError,
    TooLate,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.in_time import (
    Broken,
    in_time,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.masking import masked
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

_LINE = 2000  # characters of a line of evidence
_BETWEEN = 1.0  # seconds between two looks of verify
_AGAIN = 5.0  # seconds after which an alarm that somebody caught rings again
# Seconds of a look that nobody gave a time; the playbook gives one by this variable.
_LOOK, SECONDS = 300.0, "STOREWARDEN_HEAL_SECONDS"
_BESIDE = 10.0  # that verify gets beyond the time in which the host has to be well


def run(action: Action, options: dict[str, Any]) -> None:
    """Be the module of ``action``; ``options`` is the argument spec of its options."""
    module = AnsibleModule(
        argument_spec={
            "phase": {"choices": ["diagnose", "act", "verify", "undo"], "required": True},
            "diagnosis": {"type": "dict", "default": {}},
            "within": {"type": "float", "default": 30.0},
            "root": {"type": "path", "default": "/"},
            "options": {"type": "dict", "default": {}, "options": options},
        },
        supports_check_mode=True,
    )
    given = module.params
    wanted = given["options"] if given["options"] else _defaults(options)
    host, started = Host(given["root"]), time.monotonic()

    def work() -> dict[str, Any]:
        return _phase(action, host, given, wanted, module.check_mode)

    try:
        told = in_time(lambda: _limited(work, _seconds_of(given)), _seconds_of(given))
    except HealError as error:
        module.fail_json(msg=masked(str(error)), reason_zh=masked(error.reason_zh))
    except Broken as error:
        module.fail_json(msg=masked(str(error)), exception=masked(error.trace))
    told["seconds"] = round(time.monotonic() - started, 3)
    module.exit_json(**told)


def _seconds_of(given: dict[str, Any]) -> float:
    """How long this phase may take; 0 means no limit."""
    if given["phase"] in ("act", "undo"):
        return float(given["diagnosis"].get("seconds") or 0.0)
    if given["phase"] == "verify":
        return float(given["within"]) + _BESIDE
    try:
        return float(os.environ.get(SECONDS) or _LOOK)
    except ValueError:
        return _LOOK


def _limited(work: Any, seconds: float) -> dict[str, Any]:
    with _at_most(seconds):
        told: dict[str, Any] = work()
    return told


def _defaults(options: dict[str, Any]) -> dict[str, Any]:
    """What an action is given whose role passed no options at all."""
    return {name: spec.get("default") for name, spec in options.items()}


def _phase(
    action: Action,
    host: Host,
    given: dict[str, Any],
    options: dict[str, Any],
    check: bool,
) -> dict[str, Any]:
    if given["phase"] == "diagnose":
        return diagnosed(action, host, options)
    diagnosis = diagnosis_of(given["diagnosis"])
    if given["phase"] == "verify":
        return verified(action, host, diagnosis, options, 0.0 if check else given["within"])
    if check:
        return {"changed": True, "steps": []}
    work = action.act if given["phase"] == "act" else action.undo
    steps = [_without_secrets(step._asdict()) for step in work(host, diagnosis, options)]
    return {"changed": bool(steps), "steps": steps}


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """A phase that takes longer than its meta file says ends here, a repair before its undo begins.

    Raises HealError in the middle of the work; 0 means no limit.
    """

    def late(_number: int, _frame: Any) -> None:
        raise TooLate

    before = signal.signal(signal.SIGALRM, late)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN if seconds else 0.0)
    try:
        yield
    except TooLate:
        raise HealError(
            "it did not end within {0:g} s".format(seconds),
            "未在 {0:g} 秒内完成".format(seconds),
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def diagnosed(action: Action, host: Host, options: dict[str, Any]) -> dict[str, Any]:
    """Facts, judgement and evidence, as a module's answer."""
    facts = action.facts(host, options)
    diagnosis = action.diagnose(facts, options)
    if diagnosis.state not in STATES:
        raise ValueError("{0} gave the state {1!r}".format(action.name, diagnosis.state))
    pieces = () if diagnosis.state == HEALTHY else action.evidence(host, facts, options)
    told = [{"name": one.name, "text": masked(cut(one.text))[-MOST_TEXT:]} for one in pieces]
    words = {"reason": masked(diagnosis.reason), "reason_zh": masked(diagnosis.reason_zh)}
    answer = {
        "changed": False,
        # A plan stays as it is: act works with it. It holds names and numbers, no texts.
        "diagnosis": dict(
            diagnosis._asdict(), **words, capture=list(diagnosis.capture),
            facts=_without_secrets(facts),
        ),
        "evidence": told,
        "msg": "{0}: {1}".format(diagnosis.state, words["reason"]),
    }  # fmt: skip
    if action.judges_ages:
        answer["clock"] = time.time()
    return answer


def cut(text: str) -> str:
    """The end of a text, long words of it shortened: a crashed program's last words may be a hex
    dump of megabytes, and all of it is looked through for secrets."""
    return "\n".join(line[:_LINE] for line in text[-2 * MOST_TEXT :].split("\n"))


def _without_secrets(data: Any) -> Any:
    """Facts as they are told: a command line may carry a password."""
    if isinstance(data, str):
        return masked(data)
    if isinstance(data, dict):
        return {key: _without_secrets(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_without_secrets(value) for value in data]
    return data


def diagnosis_of(told: dict[str, Any]) -> Diagnosis:
    """A diagnosis as an earlier call told it."""
    return Diagnosis(
        state=told["state"],
        reason=told["reason"],
        reason_zh=told["reason_zh"],
        plan=told["plan"],
        capture=tuple(told["capture"]),
    )


def verified(
    action: Action, host: Host, diagnosis: Diagnosis, options: dict[str, Any], within: float
) -> dict[str, Any]:
    """The last look of those that fit into ``within`` seconds; the first good one ends it."""
    end = time.monotonic() + within
    while True:
        finding: Finding = action.verify(host, diagnosis, options)
        if finding.well or time.monotonic() + _BETWEEN > end:
            told = _without_secrets(finding._asdict())
            return {"changed": False, "finding": told, "msg": told["reason"]}
        time.sleep(_BETWEEN)
