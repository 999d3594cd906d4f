# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where everything of one application lies, and which release is in use."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from typing import Any, Iterator, List, NamedTuple, Optional

from ansible_collections.storewarden.ops.plugins.module_utils.restore.disk import (
    read_json,
    sync_folder,
)
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unfit import Unfit
from ansible_collections.storewarden.ops.plugins.module_utils.staging.unpacking import (
    Manifest,
    differences,
)

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,99}")
_ROOT = re.compile(r"(/[A-Za-z0-9._+-]+)+")
_FORMAT = 1
_PAUSE = 0.2
_PATIENCE = 30.0


class Marker(NamedTuple):
    """What is known of a release that we unpacked."""

    version: str
    sha256: str
    installed: float  # seconds since 1970, by the host's clock; for the order only
    entries: Manifest


class Places:
    """The paths below one root. Unfit for a root or version that cannot be meant."""

    def __init__(self, root: str) -> None:
        path = os.path.normpath(root)
        if not _ROOT.fullmatch(path) or path.count("/") < 2:
            raise Unfit(
                "root: {0!r}: a folder of its own such as /opt/till is meant".format(root),
                "root：{0!r}：应为独立目录，例如 /opt/till".format(root),
            )
        self.root = path
        self.releases = path + "/releases"
        self.current = path + "/current"

    def release(self, version: str) -> str:
        return os.path.join(self.releases, version)

    def fresh(self, version: str) -> str:
        return os.path.join(self.releases, ".{0}.new".format(version))

    def marker(self, version: str) -> str:
        return os.path.join(self.releases, ".{0}.json".format(version))

    def in_use(self) -> str:
        """The version that the link points to, "" without a link; Unfit for anything else there."""
        if not os.path.lexists(self.current):
            return ""
        if not os.path.islink(self.current):
            raise Unfit(
                "{0} is no link: move it away first".format(self.current),
                "{0} 不是链接：请先移走".format(self.current),
            )
        target = os.path.normpath(os.path.join(self.root, os.readlink(self.current)))
        if os.path.dirname(target) != self.releases:
            raise Unfit(
                "{0} points to {1}, outside of {2}".format(self.current, target, self.releases),
                "{0} 指向 {1}，不在 {2} 之内".format(self.current, target, self.releases),
            )
        return os.path.basename(target)

    def known(self) -> List[Marker]:
        """All releases that we unpacked and that are still there, the newest first."""
        names = os.listdir(self.releases) if os.path.isdir(self.releases) else []
        versions = [name for name in names if _VERSION.fullmatch(name)]
        found = [one for one in map(self.mark, versions) if one is not None]
        return sorted(found, key=lambda one: (one.installed, one.version), reverse=True)

    def mark(self, version: str) -> Optional[Marker]:
        """What was written down when it was unpacked, None when nothing (readable) was."""
        try:
            found: Any = read_json(self.marker(version))
            marker = Marker(
                str(found["version"]),
                str(found["sha256"]),
                float(found["installed"]),
                found["entries"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return marker if marker.version == version else None

    def damage(self, marker: Marker) -> List[str]:
        """Files of the release that are not as they were in the archive."""
        return differences(self.release(marker.version), marker.entries)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else works below the root; makes it. Unfit when somebody does so for long."""
        for folder in (self.root, self.releases):
            if not os.path.isdir(folder):
                os.makedirs(folder, 0o755, exist_ok=True)
                os.chmod(folder, 0o755)
        handle = os.open(self.releases, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._take(handle)
            yield
        finally:
            os.close(handle)

    def _take(self, handle: int) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise Unfit(
                        "another release is being put in place below {0}".format(self.root),
                        "{0} 下正在部署另一个版本".format(self.root),
                    ) from None
                time.sleep(_PAUSE)

    def point_to(self, version: str) -> None:
        """The link, turned in one step: whoever looks sees the old or the new release."""
        beside = self.root + "/.current.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        os.symlink("releases/" + version, beside)
        os.replace(beside, self.current)
        sync_folder(self.root)


def checked_version(version: str) -> str:
    """Unfit unless it can be the name of a folder, and of nothing else."""
    if not _VERSION.fullmatch(version):
        raise Unfit(
            "version: {0!r}: letters, digits and . _ + ~ - are meant".format(version),
            "version：{0!r}：只能包含字母、数字和 . _ + ~ -".format(version),
        )
    return version


def written(marker: Marker) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "version": marker.version,
        "sha256": marker.sha256,
        "installed": marker.installed,
        "entries": marker.entries,
    }
