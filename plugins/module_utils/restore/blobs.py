# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Contents kept in a pack, by their digest: equal files are kept once, damaged ones are noticed."""

from __future__ import annotations

import os
from typing import BinaryIO

from .disk import file_digest, fresh, opened, pour
from .failures import CaptureFailed, PackDamaged


class Blobs:
    """The folder ``blobs`` of one pack."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def path(self, digest: str) -> str:
        return os.path.join(self.folder, digest)

    def keep(self, path: str, digest: str | None = None) -> str:
        """Take a file's content in; CaptureFailed when it is no longer what was looked at."""
        if digest is not None and os.path.exists(self.path(digest)):
            return digest
        incoming = os.path.join(self.folder, "incoming")
        with opened(path) as source, fresh(incoming) as target:
            found = pour(source, target)
            # Reading back is to ask the disk, not the memory that was just written.
            os.posix_fadvise(target.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if digest not in (None, found):
            raise CaptureFailed("{0} changed while it was being captured".format(path))
        os.rename(incoming, self.path(found))
        return found

    def intact(self, digest: str) -> bool:
        try:
            return file_digest(self.path(digest)) == digest
        except OSError:
            return False

    def open(self, digest: str) -> BinaryIO:
        """The content; PackDamaged when it is not there or not itself any more."""
        if not self.intact(digest):
            raise PackDamaged("the pack's copy {0} is damaged".format(digest[:12]))
        return open(self.path(digest), "rb")

    def names(self) -> list[str]:
        return sorted(os.listdir(self.folder))
