# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives for tests, good and hostile, byte for byte as somebody could have made them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Member(NamedTuple):
    """One member; ``kind`` is a tarfile type, ``target`` a link's."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644


def folder(name: str, mode: int = 0o755) -> Member:
    return Member(name, kind=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.SYMTYPE, target=target)


def packed(members: Sequence[Member], how: str = "gz") -> bytes:
    """The archive's bytes, whenever they are made; ``how`` is gz, bz2, xz or nothing."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for one in members:
            about = tarfile.TarInfo(one.name)
            about.type, about.linkname, about.mode = one.kind, one.target, one.mode
            about.uid, about.uname = 4242, "somebody"
            about.size = len(one.content) if one.kind == tarfile.REGTYPE else 0
            archive.addfile(about, io.BytesIO(one.content))
    return _PRESSED[how](buffer.getvalue())


def _gz(data: bytes) -> bytes:
    """Without the time in its header, by which the same archive would be another one later."""
    return gzip.compress(data, mtime=0)


_PRESSED = {"gz": _gz, "bz2": bz2.compress, "xz": lzma.compress, "": bytes}


def written(path: Path, members: Sequence[Member], how: str = "gz") -> str:
    path.write_bytes(packed(members, how))
    return str(path)
