# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The play writes its own evidence: one JSON line per fact, appended to one file.

Written here and not by whoever watches the play, so that it survives the
watcher. Nothing of a task's result is printed, and of a result only its state,
one line of message on failure and what the role itself put under the key
``storewarden`` are kept; ``no_log`` is obeyed because Ansible has already
censored what arrives here.

A play that would touch hosts outside its plan, or that was loaded from another
copy of the collection than planned, is stopped before its first task.

Ansible can end a play for hosts on which nothing failed (``any_errors_fatal``,
``run_once``, ``max_fail_percentage``) and its recap then counts them as well;
that the play was stopped for them is written here.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_log
type: stdout
short_description: Writes what a run does as JSON lines for the storewarden controller
description:
  - Appends one JSON object per line to the file named in E(STOREWARDEN_EVENTS) and prints nothing.
  - Used by the storewarden runner only; it sets the environment variables.
  - Stops the play before its first task when the hosts of a play are not among those of
    E(STOREWARDEN_PLAN), or when this plugin was not loaded from E(STOREWARDEN_COLLECTION).
author:
  - The storewarden developers
requirements:
  - set as stdout callback by the storewarden runner
"""

import json
import os
import time

from ansible.errors import AnsibleError
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import action_loader

MESSAGE_LIMIT = 500  # characters of a failure's message
REFUSED = 76  # exit status of a play that was stopped by this plugin
_INDEPENDENT = ("free", "host_pinned")  # strategies in which no host waits for another
_STATS = ("processed", "ok", "changed", "failures", "dark", "skipped", "rescued", "ignored")


def _one_line(text):
    line = " ".join(str(text).split())
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 3] + "..."


def _last_line(text):
    lines = [line for line in str(text or "").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _message(result):
    """Why it failed, in one line: the module's message and the last line of stderr."""
    if "censored" in result:
        return "hidden by no_log"
    said = _items_said(result)[:1] or [
        result.get("msg") or "",
        _last_line(result.get("stderr") or result.get("module_stderr")),
    ]
    whole = ": ".join(str(part).strip().rstrip(".") for part in said if part)
    return _one_line(whole or "failed without a message")


def _items_said(result):
    """What each failed item of a loop said; the loop itself only knows that there was one."""
    items = result.get("results")
    return [
        "{0}: {1}".format(item.get("_ansible_item_label", item.get("item", "item")), _message(item))
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and item.get("failed")
    ]


def _merged(old, new):
    """``new`` laid over ``old``, mapping by mapping."""
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _merged(old[key], value)
        else:
            old[key] = value
    return old


def _report(result):
    """What the role reported, from the result itself and from each item of its loop."""
    found = {}
    items = result.get("results")
    for part in [result, *(items if isinstance(items, list) else [])]:
        own = part.get("storewarden") if isinstance(part, dict) else None
        if isinstance(own, dict):
            _merged(found, own)
    return found


def _stops_everybody(task):
    """Whether a failure of this task ends the play for every host (strategy linear)."""
    action = action_loader.get(task.action, class_only=True)
    # An undecided template counts as yes: a host too many is probed, none is taken for done.
    return bool(
        task.any_errors_fatal or task.run_once or getattr(action, "BYPASS_HOST_LOOP", False)
    )


def _unserialisable(value):
    """The name of the type only: to print such a value could decrypt it."""
    return "<{0}>".format(type(value).__name__)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "storewarden.ops.run_log"

    def __init__(self):
        super().__init__()
        path = os.environ.get("STOREWARDEN_EVENTS")
        if not path:
            raise AnsibleError("storewarden.ops.run_log is for the storewarden runner only")
        self._log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._touched = set()
        self._batch = []  # the hosts of the play, or of its share under ``serial``
        self._bad = []  # those of them that failed or could not be reached
        self._in_step = True
        self._dropped = 0
        self._torn = False

    # -- writing ---------------------------------------------------------

    def _write(self, kind, **fields):
        """One line in one write. A full disk costs the line, is counted, and never the play."""
        record = dict(kind=kind, at=round(time.time(), 3), **fields)
        data = json.dumps(record, default=_unserialisable, skipkeys=True).encode("ascii") + b"\n"
        if self._torn:
            data = b"\n" + data
        try:
            while data:
                written = os.write(self._log, data)
                data, self._torn = data[written:], True
            self._torn = False
        except OSError:
            self._dropped += 1

    def _result(self, kind, result, **fields):
        host = result.host.get_name()
        self._touch(host)
        report = _report(result.result)
        if report:
            fields["report"] = report
        self._write(kind, host=host, task=result.task.get_name().strip(), **fields)

    def _touch(self, host):
        if host not in self._touched:
            self._touched.add(host)
            self._write("touched", host=host)

    def _went_wrong(self, result):
        """Note a failed or unreachable host, and whether that ends the play for the others."""
        host = result.host.get_name()
        self._bad.append(host)
        if self._in_step and _stops_everybody(result.task):
            self._write("stopped", hosts=self._batch, because=[host])

    # -- the play --------------------------------------------------------

    def _refuse(self, why):
        self._write("refused", message=why)
        raise SystemExit(REFUSED)

    def v2_playbook_on_start(self, playbook):  # noqa: ARG002 - Ansible passes it
        own = os.path.realpath(__file__)
        found = os.path.dirname(os.path.dirname(os.path.dirname(own)))
        self._write("loaded", collection=found)
        wanted = os.environ.get("STOREWARDEN_COLLECTION")
        if wanted and os.path.realpath(wanted) != found:
            self._refuse("the collection was loaded from {0} instead of {1}".format(found, wanted))

    def v2_playbook_on_play_start(self, play):
        inventory = play.get_variable_manager()._inventory
        hosts = [host.get_name() for host in inventory.get_hosts(play.hosts)]
        self._write("play", task=play.get_name().strip(), hosts=hosts)
        self._batch, self._bad = hosts, []
        self._in_step = str(play.strategy).rpartition(".")[2] not in _INDEPENDENT
        plan = os.environ.get("STOREWARDEN_PLAN")
        if not plan:
            return
        with open(plan, encoding="utf-8") as stream:
            planned = set(json.load(stream)["free"])
        strangers = sorted(set(hosts) - planned)
        if strangers:
            self._refuse("the play would touch hosts outside its plan: " + ", ".join(strangers[:5]))

    def v2_playbook_on_no_hosts_remaining(self):
        self._write("stopped", hosts=self._batch, because=self._bad)

    def v2_playbook_on_task_start(self, task, is_conditional):  # noqa: ARG002 - by keyword
        self._write("task", task=task.get_name().strip())

    def v2_playbook_on_handler_task_start(self, task):
        self._write("task", task=task.get_name().strip())

    def v2_runner_on_start(self, host, task):  # noqa: ARG002 - Ansible passes it
        self._touch(host.get_name())

    # -- one host, one task ----------------------------------------------

    def v2_runner_on_ok(self, result):
        self._result("host_changed" if result.is_changed() else "host_ok", result)

    def v2_runner_on_skipped(self, result):
        self._result("host_skipped", result)

    def v2_runner_on_unreachable(self, result):
        self._result("host_unreachable", result, message=_message(result.result))
        self._went_wrong(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        if ignore_errors:
            said = "ignored: " + _message(result.result)
            kind = "host_changed" if result.is_changed() else "host_ok"
            self._result(kind, result, message=said)
        else:
            self._result("host_failed", result, message=_message(result.result))
            self._went_wrong(result)

    def v2_playbook_on_stats(self, stats):
        counts = {name: dict(getattr(stats, name)) for name in _STATS}
        self._write("stats", dropped=self._dropped, **counts)
