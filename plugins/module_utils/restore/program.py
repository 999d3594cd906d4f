# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program in a pack: ``python3 -I -S -B PACK/program.zip VERB``.

check    read the pack, look at the host: damage, fingerprint, differences (JSON)
tick     note what is left of the deadline, or undo
boot     after a boot: undo or re-arm
watch    tick again and again, as a process of its own (where systemd does not run)
undo     undo now (the words after it: reason, cause); prints the record (JSON)
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time

from .clock import Clock
from .comparing import compare
from .dead_man import introduce
from .failures import RestoreError
from .pack import Cause, Pack
from .store import Store
from .system import Host
from .turns import boot, tick, undo_now

_A_MOMENT = 1.0


def main() -> int:
    folder = os.path.dirname(os.path.abspath(sys.argv[0]))
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    host = Host()
    pack, store, clock = Pack(host, folder), Store(host, os.path.dirname(folder)), Clock(host)
    try:
        return _run(verb, store, pack, clock)
    except (RestoreError, OSError) as error:
        sys.stderr.write("restore point {0}: {1}\n".format(pack.id, error))
        return 1


def _run(verb: str, store: Store, pack: Pack, clock: Clock) -> int:
    if verb == "check":
        _say(check(pack))
    elif verb == "tick":
        _tick(store, pack, clock)
    elif verb == "boot":
        boot(store, pack, clock)
    elif verb == "watch":
        _watch(store, pack, clock)
    elif verb == "undo":
        reason = sys.argv[2] if len(sys.argv) > 2 else "asked for"
        cause = Cause(sys.argv[3]) if len(sys.argv) > 3 else Cause.REQUEST
        _say(undo_now(store, pack, clock, reason, cause))
    else:
        sys.stderr.write(__doc__ or "")
        return 2
    return 0


def check(pack: Pack) -> dict[str, object]:
    """``damage``, ``fingerprint`` now, and ``different``: labels of the items that differ."""
    residue, found = compare(pack, pack.context())
    return {
        "damage": pack.damage(),
        "fingerprint": found,
        "different": [one["item"] for one in residue],
        "residue": residue,
    }


def _tick(store: Store, pack: Pack, clock: Clock) -> None:
    """A timer may fire a moment early; the next one may be far."""
    rest = tick(store, pack, clock)
    while rest is not None and rest.left < _A_MOMENT:
        time.sleep(rest.left)
        rest = tick(store, pack, clock)


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


def _watch(store: Store, pack: Pack, clock: Clock) -> None:
    """Only the child of the child stays; it is known to the pack before its parent returns."""
    reader, writer = os.pipe()
    if os.fork() != 0:
        os.close(writer)
        os.read(reader, 1)
        return
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    introduce(pack, os.getpid())
    os.write(writer, b"1")
    os.close(writer)
    while True:
        pause = 1.0
        # Somebody may hold the lock, or the disk be full; the deadline runs on.
        with contextlib.suppress(Exception):
            rest = tick(store, pack, clock)
            if rest is None:
                return
            pause = rest.pause
        time.sleep(max(pause, 0.05))
