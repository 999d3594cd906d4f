# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One word about one backup job of this host (docs/reference/backup-job.md).

The job runs by itself: it is a unit of systemd, or a session of its own where there is none. What
a visit learns is in files, so it does not matter which visit it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

from ansible_collections.storewarden.ops.plugins.module_utils.backup.failures import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import order_of
from ansible_collections.storewarden.ops.plugins.module_utils.backup.packing import packed
from ansible_collections.storewarden.ops.plugins.module_utils.backup.program import REPORT
from ansible_collections.storewarden.ops.plugins.module_utils.payload.jobs import (
    JobError,
    Jobs,
    Order,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.capture import find_python
from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    make_folder,
    write_bytes,
    write_json,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

if TYPE_CHECKING:  # never loaded here; Ansible's archive takes along what is named
    from ansible_collections.storewarden.ops.plugins.module_utils.backup import (  # noqa: F401
        files,
        ledger,
        mariadb,
        network,
        pg_basebackup,
        pgbackrest,
        redis,
        sqlite,
    )

ROOT = "/var/lib/storewarden/backup"
SECRETS = "/run/storewarden/backup"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_GRACE = 120.0  # seconds for a job that ends itself to clean up before it is ended
_PATIENCE = 30.0  # seconds between TERM and KILL
_NOTED = 10.0  # seconds
_DAYS = 60.0  # jobs that nobody came back for


class Visit:
    """The jobs below ``root``. JobError for what cannot be meant."""

    def __init__(self, host: Host, root: str = ROOT) -> None:
        self._host = host
        self._root = root
        self._secrets = SECRETS if root == ROOT else os.path.join(root, "secrets")
        self._jobs = Jobs(host, os.path.join(root, "runs"))

    # -- words ---------------------------------------------------------------------------------

    def begin(self, order: dict[str, Any], secrets: dict[str, str]) -> dict[str, Any]:
        """Begun now or before; "refused" with a reason when the order cannot be carried out."""
        run = checked(str(order.get("run", "")))
        found = self.collect(run)
        if found["state"] != "absent":
            return found
        try:
            seconds = order_of({**order, "secrets": {}}).limits.seconds
        except Unfit as failure:
            return {"state": "refused", "reason": {"en": failure.en, "zh": failure.zh}}
        self._forget_old()
        try:
            self._lay_down(run, order, secrets)
            self._jobs.started(
                Order(id=run, argv=self._argv(run), environment=_home(), timeout=seconds + _GRACE)
            )
        except BaseException:  # nobody ever collects what was not begun
            if self._jobs.inspected(run)["state"] == "absent":
                self._drop_secrets(run)
            raise
        return self.collect(run)

    def collect(self, run: str) -> dict[str, Any]:
        """``state``: running, ended (with its ``report``), lost (with a ``reason``) or absent."""
        job = self._jobs.inspected(checked(run))
        if job["state"] == "running":
            return {"state": "running"}
        report = self._report(run)
        if report is not None:
            return {"state": "ended", "report": report}
        if job["state"] == "absent":
            return {"state": "absent"}
        self._drop_secrets(run)
        return {"state": "lost", "reason": _how_lost(job)}

    def stop(self, run: str) -> dict[str, Any]:
        """TERM, and KILL after 30 s; how it stands then."""
        job = self._jobs.inspected(checked(run))
        if job["state"] == "running":
            self._signal(run, job, signal.SIGTERM)
            if self._jobs.awaited(run, _PATIENCE)["state"] == "running":
                self._signal(run, job, signal.SIGKILL)
                self._jobs.awaited(run, _PATIENCE)
        return self.collect(run)

    def forget(self, run: str) -> dict[str, Any]:
        """Nothing of it is left. JobError while it runs."""
        self._jobs.forgotten(checked(run))
        shutil.rmtree(self._at(run), ignore_errors=True)
        self._drop_secrets(run)
        return {"state": "absent"}

    # -- inside --------------------------------------------------------------------------------

    def _at(self, run: str, *part: str) -> str:
        return os.path.join(self._root, "jobs", run, *part)

    def _argv(self, run: str) -> list[str]:
        plain = ["-I", "-S", "-B", "-X", "utf8"]  # names of files are bytes in any locale
        return [find_python(self._host), *plain, self._program(), self._at(run, "order.json")]

    def _program(self) -> str:
        """The program of this version; a job that runs keeps the one that it began with."""
        content = packed()
        name = "program-{0}.zip".format(hashlib.sha256(content).hexdigest()[:16])
        path = os.path.join(self._root, name)
        if not os.path.exists(path):
            write_bytes(path, content)
        return path

    def _lay_down(self, run: str, order: dict[str, Any], secrets: dict[str, str]) -> None:
        """Secrets first: an order that is there is whole."""
        folder = os.path.join(self._secrets, run)
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        names = {}
        for name, secret in secrets.items():
            names[name] = os.path.join(folder, checked(name))
            write_bytes(names[name], str(secret).encode("utf-8"))
        make_folder(self._at(run))
        write_json(self._at(run, "order.json"), {**order, "secrets": names})

    def _report(self, run: str) -> Any:
        try:
            with open(self._at(run, REPORT), encoding="utf-8") as source:
                return json.load(source)
        except (OSError, ValueError):
            return None

    def _signal(self, run: str, job: dict[str, Any], number: int) -> None:
        """TERM goes to the program, KILL to everybody."""
        with contextlib.suppress(OSError):
            if number == signal.SIGKILL and self._jobs.has_units():
                self._host.run(["systemctl", "kill", "--signal=SIGKILL", job["unit"]])
            else:
                os.killpg(self._child(run), number)

    def _child(self, run: str) -> int:
        """The program's process group; the runner notes it a moment after its own beginning."""
        path = os.path.join(self._root, "runs", run, "begun.json")
        end = time.monotonic() + _NOTED
        while time.monotonic() < end:
            with open(path, encoding="utf-8") as source:
                child = json.load(source).get("child")
            if child:
                return int(child[0])
            time.sleep(0.05)
        raise ProcessLookupError(run)

    def _drop_secrets(self, run: str) -> None:
        shutil.rmtree(os.path.join(self._secrets, run), ignore_errors=True)

    def _forget_old(self) -> None:
        """Nobody came back for them; and programs of versions that are gone."""
        for run in self._jobs.forget_old(_DAYS):
            shutil.rmtree(self._at(run), ignore_errors=True)
            self._drop_secrets(run)
        with contextlib.suppress(OSError):
            for name in os.listdir(self._root):
                path = os.path.join(self._root, name)
                old = time.time() - os.stat(path).st_mtime > _DAYS * 86400.0
                if name.startswith("program-") and old:
                    os.unlink(path)


def checked(name: str) -> str:
    """JobError unless it can be the name of a folder, and of nothing else."""
    if not _NAME.match(name):
        raise JobError("{0!r} cannot be the name of a job or a secret".format(name))
    return name


def _home() -> dict[str, str]:
    """Jobs of an account that is not root have the account's own home."""
    return {} if os.geteuid() == 0 else {"HOME": os.path.expanduser("~")}


def _how_lost(job: dict[str, Any]) -> dict[str, str]:
    if job.get("timed_out"):
        return {
            "en": "the job hung and was ended without a report",
            "zh": "任务无响应，已被强制结束，没有报告",
        }
    if "rc" in job:
        said = (job.get("log") or [""])[-1][:300]
        end = "it ended with {0} and without a report".format(job["rc"])
        zh = "以状态 {0} 结束，没有报告".format(job["rc"])
        return {
            "en": ": ".join(filter(None, (end, said))),
            "zh": "：".join(filter(None, (zh, said))),
        }
    return {
        "en": "it was killed, or its host went down in the middle",
        "zh": "任务被强制终止，或主机中途停机",
    }
