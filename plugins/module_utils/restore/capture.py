# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking a host's state into a pack: whole and verified, or not at all.

The pack is made under another name and renamed at its end. Before that, the pack's own program
is run with the system's Python: it reads everything back from the disk, looks at the host by
itself, and has to come to the same fingerprint. So an undo that could not run here is found
out now and not at three in the morning.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import zipfile
from typing import Any, Callable, Sequence

from . import program
from .blobs import Blobs
from .clock import Clock
from .context import Context, Exclusions
from .dead_man import PLAIN
from .disk import file_digest, free_bytes, sync_folder, write_flushed
from .failures import CaptureFailed, RestoreError
from .item import Item
from .kinds import kind_of, label
from .pack import FORMAT, Pack, Phase, fingerprint
from .store import Store
from .system import Host

# For manifest, program and notes, beyond what the items take.
_ROOM = 2 * 1024 * 1024
_PYTHONS = ("/usr/bin/python3", "/usr/libexec/platform-python")
_MAIN = b"from storewarden_restore.program import main\n\nraise SystemExit(main())\n"
_NAME = "storewarden_restore"
_CHECK_SECONDS = 900.0


class Wish:
    """What is to be captured, for whom."""

    def __init__(self, name: str, owner: str, epoch: int, items: list[Item]) -> None:
        self.name, self.owner, self.epoch, self.items = name, owner, epoch, items
        self.exclude: list[dict[str, Any]] = []
        self.sources: Sequence[str] = ()


def capture(
    store: Store,
    clock: Clock,
    wish: Wish,
    sequence: int,
    prove: Callable[[Pack], None] | None = None,
) -> Pack:
    """A whole pack; CaptureFailed says why there is none, and then nothing is left of it."""
    store.ensure()
    store.tidy()
    part, final = store.part(wish.name), store.pack(wish.name)
    try:
        needed = _enough_room(store, wish)
        _fill(part, clock, wish, sequence)
        part.reserve(needed + _ROOM // 2)
        (prove or by_program)(part)
        # An earlier capture under this id, never armed, goes; nothing has been applied under it.
        shutil.rmtree(final.folder, ignore_errors=True)
        os.rename(part.folder, final.folder)
    except (OSError, ValueError, LookupError) as error:
        raise CaptureFailed("capture: {0}".format(error)) from None
    finally:
        store.tidy()
    sync_folder(store.folder)
    return final


def _enough_room(store: Store, wish: Wish) -> int:
    """Bytes that the items take; CaptureFailed unless there is room for them twice."""
    context = Context(store.host, Blobs(""), Exclusions(wish.exclude, store.folder))
    needed = sum(kind_of(item).estimate(context, item) for item in wish.items)
    free = free_bytes(store.folder)
    if free < 2 * needed + _ROOM:
        raise CaptureFailed(
            "capture: {0} needs {1} MB free (twice what is kept), {2} MB are".format(
                store.folder, _megabytes(2 * needed + _ROOM), _megabytes(free)
            )
        )
    return needed


def _megabytes(count: int) -> int:
    return -(-count // (1024 * 1024))


def _fill(part: Pack, clock: Clock, wish: Wish, sequence: int) -> None:
    for name in ("", "items", "blobs", "scratch"):
        os.mkdir(part.at(name), 0o700)
    folder = os.path.dirname(part.folder)
    context = Context(part.host, part.blobs, Exclusions(wish.exclude, folder))
    context.scratch, context.package_sources = part.at("scratch"), list(wish.sources)
    listed, states = [], []
    for number, item in enumerate(wish.items):
        state = kind_of(item).observe(context, item)
        extra = kind_of(item).keep(context, item, state)
        digest = part.write_item(number, {"item": item, "state": state, "extra": extra})
        listed.append({"label": label(item), "digest": digest})
        states.append([label(item), state])
    manifest = {
        "format": FORMAT,
        "id": wish.name,
        "captured": clock.stamp(),
        "exclude": wish.exclude,
        "items": listed,
        "fingerprint": fingerprint(states),
        "program": install(part),
        "python": find_python(part.host),
        # For an undo that finds its state lost.
        "state": {"owner": wish.owner, "epoch": wish.epoch, "sequence": sequence},
    }
    digest = part.write_manifest(manifest)
    shutil.rmtree(part.at("scratch"))
    os.mkdir(part.at("scratch"), 0o700)
    part.write_state(
        phase=Phase.CAPTURED.value, deadline=None, apply=None, serial=0, boots=0, mode=None,
        manifest=digest, captured=manifest["captured"],
    )  # fmt: skip
    for name in ("items", "blobs", "."):
        sync_folder(part.at(name))


def find_python(host: Host) -> str:
    """A Python that undo can count on: the system's, not one that a login's path has."""
    for path in (*_PYTHONS, sys.executable):
        words = [path, *PLAIN, "-c", "import sys; sys.exit(sys.version_info < (3, 9))"]
        if path and host.run(words).code == 0:
            return path
    raise CaptureFailed("capture: no Python 3.9 or newer on this host")


def install(pack: Pack) -> str:
    """Put this program into the pack, as one archive that Python runs as it is; its digest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # stored: an undo needs no zlib
        archive.writestr("__main__.py", _MAIN)
        for name, text in sources().items():
            archive.writestr("{0}/{1}.py".format(_NAME, name), text.encode("utf-8"))
    write_flushed(pack.program, buffer.getvalue())
    return file_digest(pack.program)


def sources() -> dict[str, str]:
    """Text of each file of this folder that is loaded, also when it came in Ansible's archive."""
    # Its entry: with it, everything that an undo needs is loaded.
    home = program.__name__.rpartition(".")[0]
    found = {}
    for name, module in sorted(sys.modules.items()):
        if name == home or name.startswith(home + "."):
            loader = module.__loader__
            text = loader.get_source(name)  # type: ignore[union-attr, unused-ignore]
            found["__init__" if name == home else name.rpartition(".")[2]] = text or ""
    return found


def look_by_program(pack: Pack) -> dict[str, Any]:
    """What the pack's own program says: ``damage`` and the ``fingerprint`` it sees now."""
    python = pack.manifest()["python"]
    done = pack.host.run([python, *PLAIN, pack.program, "check"], _CHECK_SECONDS)
    if done.code != 0:
        raise RestoreError("the pack's program does not run here: {0}".format(done.last))
    return dict(json.loads(done.out))


def by_program(part: Pack) -> None:
    """The pack's own program reads it back and looks at the host; CaptureFailed if they differ."""
    try:
        said = look_by_program(part)
    except RestoreError as error:
        raise CaptureFailed("capture: {0}".format(error)) from None
    if said["damage"]:
        raise CaptureFailed("capture: read back damaged: {0}".format(said["damage"][0]))
    if said["different"]:
        raise CaptureFailed(
            "capture: changed while it was being captured: {0}".format(", ".join(said["different"]))
        )
