# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network filesystem that hangs: let go of the dead mount, mount again what /etc/fstab declares.

Whoever asks a hung mount hangs too and may not even be killed, so only a child asks, and nobody
waits for it. Nothing is let go before the share was mounted elsewhere and answered there: a server
that listens may still not serve, and programs would write into the empty folder below the mount
point, where nobody looks for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.heal.action import (
    ESCALATE,
    HEALTHY,
    NEEDED,
    Action,
    Diagnosis,
    Evidence,
    Finding,
    HealError,
    Step,
    time_left,
)
from ansible_collections.storewarden.ops.plugins.module_utils.heal.mount_tables import (
    declared,
    mounts,
)
from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

PORTS = {"nfs": 2049, "nfs4": 2049, "cifs": 445, "smb3": 445}
_NFS = re.compile(r"^\[?([^\]/]+?)\]?:/")
_CIFS = re.compile(r"^//([^/]+)/")
_MOUNT_SECONDS = 30.0
_LONG = 6.0  # times ``seconds``: what a second look takes, for disks of a server spin up slowly
PROBE = "/run/storewarden-heal-probe"

OPTIONS: dict[str, Any] = {
    "mountpoint": {"type": "str", "required": True},
    "allowed": {"type": "list", "elements": "str", "default": []},
    "seconds": {"type": "float", "default": 5.0},
    "kinds": {"type": "dict", "default": {}},
}


class Mount(Action):
    """Mount a hung network filesystem anew."""

    name = "mount"

    def facts(self, host: Host, options: dict[str, Any]) -> dict[str, Any]:
        place, kinds = options["mountpoint"], {**PORTS, **options["kinds"]}
        wanted, mounted = declared(host).get(place), mounts(host).get(place)
        facts: dict[str, Any] = {
            "wanted": wanted, "mounted": mounted, "answers": None, "server": None,
        }  # fmt: skip
        if mounted is not None:
            seconds = float(options["seconds"])
            facts["answers"] = answers(host, place, seconds) or answers(
                host, place, _LONG * seconds
            )
        if wanted is not None and wanted["type"] in kinds:
            name = server_of(wanted["source"])
            port = int(kinds[wanted["type"]])
            facts["server"] = {
                "name": name, "port": port, "reached": reached(name, port, options["seconds"]),
            }  # fmt: skip
        return facts

    def evidence(
        self, host: Host, facts: dict[str, Any], options: dict[str, Any]
    ) -> tuple[Evidence, ...]:
        return (
            Evidence("mounted", "{0}\n".format(facts["mounted"])),
            Evidence("fstab", "{0}\n".format(facts["wanted"])),
            Evidence("processes that cannot be interrupted", sleepers(host) or "none\n"),
        )

    def diagnose(self, facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
        return _judged(facts, options)

    def act(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> list[Step]:
        place, source = diagnosis.plan["mountpoint"], diagnosis.plan["source"]
        done = []
        wanted, mounted = declared(host).get(place), mounts(host).get(place)
        if wanted is None or wanted["source"] != source:
            raise HealError(
                "/etc/fstab has changed since the diagnosis", "诊断之后 /etc/fstab 已改变"
            )
        if mounted is not None:
            if answers(host, place, float(options["seconds"])):
                return []
            _tried(host, wanted, float(options["seconds"]))
            if time_left() < 2 * _MOUNT_SECONDS:
                raise HealError(
                    "nothing was let go: there was no time left to mount it again",
                    "未卸载：剩余时间不足以重新挂载",
                )
            _must(host, [*_LET_GO, place])
            done.append(
                Step("{0} was let go (lazily)".format(place), "已延迟卸载 {0}".format(place))
            )
        _mounted(host, place)
        done.append(
            Step(
                "{0} was mounted from {1}".format(place, source),
                "已从 {1} 挂载 {0}".format(place, source),
            )
        )
        return done

    def verify(self, host: Host, diagnosis: Diagnosis, options: dict[str, Any]) -> Finding:
        place = options["mountpoint"]
        if place not in mounts(host):
            return Finding(
                False, "nothing is mounted at {0}".format(place), "{0} 没有挂载".format(place)
            )
        if not answers(host, place, float(options["seconds"])):
            return Finding(False, "{0} still hangs".format(place), "{0} 仍无响应".format(place))
        return Finding(True, "{0} answers".format(place), "{0} 有响应".format(place))


_LET_GO = ["umount", "--lazy", "--no-canonicalize", "--internal-only"]


def _tried(host: Host, wanted: dict[str, Any], seconds: float) -> None:
    """HealError unless the share can be mounted elsewhere and answers there."""
    os.makedirs(host.at(PROBE), mode=0o700, exist_ok=True)
    options = ",".join(wanted["options"])
    try:
        _must(host, ["mount", "-t", wanted["type"], "-o", options, wanted["source"], PROBE])
        try:
            if not answers(host, PROBE, _LONG * seconds):
                raise HealError(
                    "{0} was mounted elsewhere to try it, and hangs there too".format(
                        wanted["source"]
                    ),
                    "{0} 试挂载到别处后同样无响应".format(wanted["source"]),
                )
        finally:
            _must(host, [*_LET_GO, PROBE])
    except HealError as error:
        raise HealError(
            "nothing was let go: {0}".format(error), "未卸载：{0}".format(error.reason_zh)
        ) from None
    with contextlib.suppress(OSError):
        os.rmdir(host.at(PROBE))


def _mounted(host: Host, place: str) -> None:
    """Mount what /etc/fstab declares, in two tries. HealError that says what it means when not."""
    try:
        _must(host, ["mount", place])
        return
    except HealError:
        time.sleep(1.0)
    try:
        _must(host, ["mount", place])
    except HealError as error:
        raise HealError(
            "NOTHING IS MOUNTED AT {0} NOW, what is written there goes to the local disk:"
            " {1}".format(place, error),
            "{0} 当前没有挂载任何内容，写入会落到本地磁盘：{1}".format(place, error.reason_zh),
        ) from None


def answers(host: Host, place: str, seconds: float) -> bool:
    """Whether a filesystem says how full it is within ``seconds``. A child asks; when it hangs in
    the kernel it is left to end when the kernel lets it."""
    child = subprocess.Popen(
        ["stat", "--file-system", "--format", "%b", host.at(place)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
        start_new_session=True, env=_environment(host),
    )  # fmt: skip
    end = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    if child.poll() is None:
        child.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1.0)
        return False
    return child.returncode == 0


def _environment(host: Host) -> dict[str, str]:
    return {"PATH": host.search, "LC_ALL": "C"}


def server_of(source: str) -> str:
    """``10.0.0.9`` of ``10.0.0.9:/export`` or ``//10.0.0.9/share``; empty for anything else."""
    found = _NFS.match(source) or _CIFS.match(source)
    return found.group(1) if found else ""


def reached(name: str, port: int, seconds: float) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((name, port), float(seconds)).close()
    except OSError:
        return False
    return bool(name)


def sleepers(host: Host) -> str:
    """``PID program state where`` of processes that wait in the kernel and cannot be ended."""
    found = []
    for pid in sorted((n for n in os.listdir(host.at("/proc")) if n.isdigit()), key=int):
        status = _read(host, "/proc/{0}/stat".format(pid))
        name = status.partition("(")[2].rpartition(")")[0]
        if status.rpartition(")")[2].split()[:1] == ["D"]:
            where = _read(host, "/proc/{0}/wchan".format(pid)).strip()
            found.append("{0} {1} D {2}\n".format(pid, name, where))
    return "".join(found)


def _read(host: Host, path: str) -> str:
    try:
        with open(host.at(path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _must(host: Host, argv: list[str]) -> None:
    """A program that may hang in the kernel: nobody waits for it longer than it may take."""
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        cwd="/", start_new_session=True, env=_environment(host),
    )  # fmt: skip
    try:
        code = child.wait(_MOUNT_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        code = 124
    if code != 0:
        raise HealError(
            "{0}: status {1}".format(" ".join(argv), code),
            "{0}：状态码 {1}".format(" ".join(argv), code),
        )


def _judged(facts: dict[str, Any], options: dict[str, Any]) -> Diagnosis:
    place, wanted, mounted = options["mountpoint"], facts["wanted"], facts["mounted"]
    if mounted is not None and facts["answers"]:
        return Diagnosis(HEALTHY, "{0} answers".format(place), "{0} 有响应".format(place))
    hung = mounted is not None
    en = "{0} {1}".format(place, "hangs" if hung else "is not mounted")
    zh = "{0} {1}".format(place, "无响应" if hung else "没有挂载")
    no = _refused(facts, options)
    if no is not None:
        return Diagnosis(ESCALATE, en + "; " + no[0], zh + "；" + no[1])
    plan = {"mountpoint": place, "source": wanted["source"], "hung": hung}
    server = facts["server"]
    return Diagnosis(
        NEEDED,
        "{0}; {1}:{2} answers: mount it again".format(en, server["name"], server["port"]),
        "{0}；{1}:{2} 有响应：重新挂载".format(zh, server["name"], server["port"]),
        plan,
    )


def _refused(facts: dict[str, Any], options: dict[str, Any]) -> tuple[str, str] | None:
    """Why this mount is not for us."""
    place, wanted, mounted = options["mountpoint"], facts["wanted"], facts["mounted"]
    if wanted is None:
        return "/etc/fstab does not name it", "/etc/fstab 中没有它"
    if facts["server"] is None:
        return (
            "{0} is no network filesystem".format(wanted["type"]),
            "{0} 不是网络文件系统".format(wanted["type"]),
        )
    if mounted is not None and mounted["source"] != wanted["source"]:
        return (
            "{0} is mounted there, /etc/fstab wants {1}".format(
                mounted["source"], wanted["source"]
            ),
            "挂载的是 {0}，而 /etc/fstab 要求 {1}".format(mounted["source"], wanted["source"]),
        )
    if place not in options["allowed"]:
        return "it is not among those that may be mounted again", "不在允许重新挂载的名单中"
    return _not_now(facts)


def _not_now(facts: dict[str, Any]) -> tuple[str, str] | None:
    """Why a mount that is for us cannot be made now."""
    if "noauto" in facts["wanted"]["options"] and facts["mounted"] is None:
        return "/etc/fstab says noauto", "/etc/fstab 中为 noauto"
    server = facts["server"]
    if not server["reached"]:
        return (
            "{0}:{1} does not answer".format(server["name"], server["port"]),
            "{0}:{1} 无响应".format(server["name"], server["port"]),
        )
    return None


ACTION = Mount()
