# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for inotify: 128 instances per user are too few for some twenty systemd hosts.

All hosts run as this machine's root, so they share one allowance; beyond it systemd in the last
hosts fails in odd ways. The lab raises the two limits only when its hosts need more than there
is, and the last lab to go puts the machine's own values back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.lab.places import state_root
from tests.lab.processes import replace_text

_LIMITS = Path("/proc/sys/fs/inotify")
# Measured: 8 instances per idle host; logins (each has a systemd of its own) want more.
INSTANCES_PER_HOST = 12
WATCHES_PER_HOST = 1024
_RESERVE = {"max_user_instances": 32, "max_user_watches": 8192}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Who needs how much: hosts per lab, and per limit (value before, value set by us)."""

    labs: dict[str, int]
    changed: dict[str, tuple[int, int]]


def _file() -> Path:
    return state_root() / "inotify.json"


def _load() -> Ledger:
    try:
        raw = json.loads(_file().read_text())
        changed = {name: (int(old), int(new)) for name, (old, new) in raw["changed"].items()}
        return Ledger(labs=raw["labs"], changed=changed)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return Ledger(labs={}, changed={})


def _save(ledger: Ledger) -> None:
    if ledger.labs or ledger.changed:
        text = json.dumps({"labs": ledger.labs, "changed": ledger.changed})
        replace_text(_file(), text)
    else:
        _file().unlink(missing_ok=True)


def reserve(key: str, hosts: int) -> str:
    """Make room for a lab's hosts; returns a warning, empty when all is well. Machine lock held."""
    before = _load()
    labs = {**before.labs, key: hosts}
    changed = dict(before.changed)
    warning = ""
    for name, wanted in needed(sum(labs.values())).items():
        current = int((_LIMITS / name).read_text())
        if current >= wanted:
            continue
        # Written down before it is done: a crash in between restores a value that never changed.
        changed[name] = (changed.get(name, (current, 0))[0], wanted)
        _save(Ledger(labs=labs, changed=changed))
        warning = _set(name, wanted) or warning
    _save(Ledger(labs=labs, changed=changed))
    return warning


def needed(hosts: int) -> dict[str, int]:
    """The limits that so many hosts want, beside what the machine itself uses."""
    return {
        "max_user_instances": _RESERVE["max_user_instances"] + INSTANCES_PER_HOST * hosts,
        "max_user_watches": _RESERVE["max_user_watches"] + WATCHES_PER_HOST * hosts,
    }


def release(key: str) -> None:
    """Give a lab's room back; the last one restores what we changed. Machine lock held."""
    before = _load()
    labs = {name: hosts for name, hosts in before.labs.items() if name != key}
    if labs:
        _save(Ledger(labs=labs, changed=before.changed))
        return
    for name, (old, new) in before.changed.items():
        # Somebody else set another value meanwhile: theirs stays.
        if int((_LIMITS / name).read_text()) == new:
            _set(name, old)
    _save(Ledger(labs={}, changed={}))


def keep_only(keys: set[str]) -> None:
    """Forget labs that no longer exist (their machine was restarted under them)."""
    for gone in set(_load().labs) - keys:
        release(gone)


def _set(name: str, value: int) -> str:
    try:
        (_LIMITS / name).write_text(str(value))
    except OSError as error:
        return f"fs.inotify.{name} stays below {value} ({error.strerror}): hosts may not boot"
    return ""
