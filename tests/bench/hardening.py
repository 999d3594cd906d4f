# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardening 12 hosts: apply groups in restore points against one plain task per setting.

The plain playbook is made from what our way left behind: each line that it added to or took out
of a file is a ``lineinfile`` task, each mode a ``file`` task; a new file in which a line stands
twice (``lineinfile`` knows each line once) is one ``copy`` task. So both reach the same end state,
and that is compared, file by file. The plain way has no audit, no way back, and no second login.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path
from typing import Any

import yaml

from tests.bench.audit_round_trip import environment
from tests.bench.timing import Series, timed
from tests.lab.fleet import Lab, LabHost

# Groups that are settings in files alone; packages take as long as their downloads.
GROUPS = "logs,accounts,ssh,pam"
SITE = {
    "baseline_ssh_mgmt_nets": ["10.213.0.0/16"],
    "baseline_accounts_nopasswd_allowed": ["ops"],
    "baseline_fix_groups": GROUPS,
}
_FOLDERS = ("/etc", "/usr/share/pam-configs")
_LOOK = """
import json, os, stat, sys
found = {}
for top in sys.argv[1:]:
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_size < 200000:
                text = open(path, encoding="utf-8", errors="replace").read()
                found[path] = [text, stat.S_IMODE(status.st_mode)]
print(json.dumps(found))
"""
# What programs rewrite by themselves, and what differs from host to host.
_LEFT_OUT = (
    *("/etc/shadow", "/etc/gshadow", "/etc/passwd-", "/etc/.pwd.lock", "/etc/resolv.conf"),
    *("/etc/machine-id", "/etc/ld.so.cache", "/etc/ssh/ssh_host"),
)

type Files = Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardened:
    """Both series, the number of plain tasks, and the files on which the end states differ."""

    series: tuple[Series, Series]
    tasks: int
    differing: tuple[str, ...]


def files(host: LabHost) -> Files:
    """Path -> (text, mode) of the settings of a host."""
    told = host.run(["sudo", "-n", "python3", "-c", _LOOK, *_FOLDERS]).stdout
    every: dict[str, list[Any]] = json.loads(told)
    return {
        path: (text, mode) for path, (text, mode) in every.items() if not path.startswith(_LEFT_OUT)
    }


def tasks(before: Files, after: Files) -> Iterator[dict[str, Any]]:
    """One task per line and per mode that differs."""
    for path in sorted(after):
        text, mode = after[path]
        old, old_mode = before.get(path, ("", -1))
        if path not in before and _repeats(text):
            about = {"dest": path, "content": text, "mode": f"{mode:04o}"}
            yield {"name": f"All of {path}", "ansible.builtin.copy": about}
            continue
        yield from _lines(path, old, text)
        if mode != old_mode:
            about = {"path": path, "mode": f"{mode:04o}"}
            yield {"name": f"Mode of {path}", "ansible.builtin.file": about}


def _repeats(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) != len(set(lines))


def _lines(path: str, old: str, new: str) -> Iterator[dict[str, Any]]:
    above = ""
    for word in ndiff(old.splitlines(), new.splitlines()):
        mark, line = word[:2], word[2:]
        if mark == "+ " and line.strip():
            about = {"path": path, "line": line, "create": True}
            about |= {"insertafter": f"^{_escaped(above)}$"} if above else {}
            yield {"name": f"A line of {path}", "ansible.builtin.lineinfile": about}
        elif mark == "- " and line.strip():
            about = {"path": path, "regexp": f"^{_escaped(line)}$", "state": "absent"}
            yield {"name": f"No such line in {path}", "ansible.builtin.lineinfile": about}
        if mark in ("+ ", "  ") and line.strip():
            above = line


def _escaped(line: str) -> str:
    return "".join(f"\\{letter}" if letter in r"\.^$*+?{}[]|()" else letter for letter in line)


def _playbook(found: list[dict[str, Any]], folder: Path) -> Path:
    reload_ssh = {
        "name": "Tell sshd",
        "ansible.builtin.systemd_service": {"name": "ssh", "state": "reloaded"},
    }
    play = {"hosts": "all", "become": True, "gather_facts": False, "tasks": [*found, reload_ssh]}
    target = folder / "task_per_setting.yml"
    # Unsafe text would be templated: a setting may hold braces.
    target.write_text(yaml.safe_dump([play], width=1000, allow_unicode=True))
    return target


def _fresh(lab: Lab) -> None:
    for host in lab.hosts:
        host.reset()


def measure(lab: Lab, folder: Path) -> Hardened:
    """Once our way, then once the plain way on the same hosts, reset in between."""
    ansible = ["ansible-playbook", "-i", str(lab.inventory_path)]
    sample = lab.hosts[0]
    settings = folder / "site.yml"
    settings.write_text(yaml.safe_dump(SITE))
    _fresh(lab)
    stock = files(sample)
    fix = [*ansible, "storewarden.ops.baseline_fix", "-e", f"@{settings}"]
    ours = timed(fix, env=environment(), log=folder / "ours.log")
    hardened = files(sample)
    found = list(tasks(stock, hardened))
    book = _playbook(found, folder)
    _fresh(lab)
    plain = timed([*ansible, str(book)], env=environment(), log=folder / "plain.log")
    return Hardened(
        series=(
            Series(name="`storewarden.ops.baseline_fix`, audits included", runs=(ours,)),
            Series(name="one plain task per setting", runs=(plain,)),
        ),
        tasks=len(found) + 1,
        differing=_differing(hardened, files(sample)),
    )


def _differing(one: Files, other: Files) -> tuple[str, ...]:
    def settled(known: Files, path: str) -> tuple[list[str], int] | None:
        if path not in known:
            return None
        text, mode = known[path]
        return sorted(line for line in text.splitlines() if line.strip()), mode

    every = sorted(set(one) | set(other))
    return tuple(path for path in every if settled(one, path) != settled(other, path))
