# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# ruff: noqa: ARG001 - all places are asked in the same words
"""The old package file itself: three quarters of installed versions are in no repository any more.

Looked for in the named folders, in apt's cache, in the repositories, and at last rebuilt from
what is installed. Whatever is found is used only when it says that it is that very version.
"""

from __future__ import annotations

import glob
import os

from .context import Context
from .disk import file_digest
from .failures import CaptureFailed

_CACHE = "/var/cache/apt/archives"
_MINUTES_10 = 600.0


def old_package(context: Context, name: str, version: str, arch: str) -> tuple[str, str]:
    """(digest in the pack, where it came from); CaptureFailed names the package."""
    wanted = (name, version, arch)
    for source, find in (
        ("folder", _in_folders),
        ("cache", _in_cache),
        ("repository", _from_repository),
        ("rebuilt", _rebuilt),
    ):
        for path in find(context, *wanted):
            if _is(context, path, wanted) and _undamaged(context, path, wanted, source):
                return context.blobs.keep(path), source
    raise CaptureFailed(
        "package {0}: the file of its installed version {1} cannot be had (no named folder, "
        "apt cache or repository has it, and dpkg-repack {2})".format(
            name,
            version,
            "did not rebuild it" if context.host.has("dpkg-repack") else "is not installed",
        )
    )


def _is(context: Context, path: str, wanted: tuple[str, str, str]) -> bool:
    done = context.host.run(["dpkg-deb", "-f", path, "Package", "Version", "Architecture"])
    fields = dict(line.split(": ", 1) for line in done.out.splitlines() if ": " in line)
    said = tuple(fields.get(key, "") for key in ("Package", "Version", "Architecture"))
    return done.code == 0 and said == wanted


def _undamaged(context: Context, path: str, wanted: tuple[str, str, str], source: str) -> bool:
    """The repository's own digest decides where there is one; the archive must open anyway."""
    if source != "rebuilt":
        said = context.host.run(["apt-cache", "show", "{0}:{2}={1}".format(*wanted)]).out
        known = [line[8:] for line in said.splitlines() if line.startswith("SHA256: ")]
        if known and file_digest(path) not in known:
            return False
    return context.host.run(["dpkg-deb", "--fsys-tarfile", path], _MINUTES_10).code == 0


def _file_names(name: str, version: str, arch: str) -> list[str]:
    """As apt writes them (colons as %3a), and as repositories do (without the epoch)."""
    full = "{0}_{1}_{2}.deb".format(name, version.replace(":", "%3a"), arch)
    short = "{0}_{1}_{2}.deb".format(name, version.split(":", 1)[-1], arch)
    return [full] if full == short else [full, short]


def _in_folders(context: Context, name: str, version: str, arch: str) -> list[str]:
    files = _file_names(name, version, arch)
    places = [os.path.join(folder, one) for folder in context.package_sources for one in files]
    return [path for path in places if os.path.isfile(path)]


def _in_cache(context: Context, name: str, version: str, arch: str) -> list[str]:
    places = [os.path.join(_CACHE, one) for one in _file_names(name, version, arch)]
    return [path for path in places if os.path.isfile(path)]


def _from_repository(context: Context, name: str, version: str, arch: str) -> list[str]:
    words = ["-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=1"]
    return _made(
        context, ["apt-get", "-q", *words, "download", "{0}:{2}={1}".format(name, version, arch)]
    )


def _rebuilt(context: Context, name: str, version: str, arch: str) -> list[str]:
    if not context.host.has("dpkg-repack"):
        return []
    return _made(context, ["dpkg-repack", name])


def _made(context: Context, argv: list[str]) -> list[str]:
    """Run a program that writes a package file where it stands."""
    before = set(glob.glob(os.path.join(context.scratch, "*.deb")))
    stand = ["env", "-C", context.scratch]
    context.host.run([*stand, *argv], _MINUTES_10)
    return sorted(set(glob.glob(os.path.join(context.scratch, "*.deb"))) - before)
