# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this host's own rules for temporary files keep, whatever its age.

A program whose file in /tmp must live as long as the program says so in tmpfiles.d: there systemd
leaves it alone, and so does whoever else cleans up.
"""

from __future__ import annotations

import fnmatch
import os

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

# The first folder that has a name wins, as with systemd.
FOLDERS = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/local/lib/tmpfiles.d", "/usr/lib/tmpfiles.d")


def kept(host: Host) -> tuple[str, ...]:
    """Patterns of paths that stay: lines x and X, and what goes at boot only (an exclamation
    mark). What follows a percent sign is this host's own and may be anything."""
    found: list[str] = []
    for text in _texts(host):
        for line in text.splitlines():
            words = line.split()
            if len(words) < 2 or words[0].startswith("#"):
                continue
            kind = words[0]
            if kind[0] in "xX" or (kind[0] in "rRD" and "!" in kind):
                found.append(_pattern(words[1]))
    return tuple(found)


def stays(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a path is one of ``kept``, or lies below one."""
    return any(
        fnmatch.fnmatchcase(path, one) or fnmatch.fnmatchcase(path, one.rstrip("/") + "/*")
        for one in patterns
    )


def _pattern(path: str) -> str:
    plain = path.strip("\"'")
    while "%" in plain:
        before, _mark, after = plain.partition("%")
        plain = before + "*" + after[1:]
    return plain


def _texts(host: Host) -> list[str]:
    by_name: dict[str, str] = {}
    for folder in reversed(FOLDERS):
        try:
            names = os.listdir(host.at(folder))
        except OSError:
            continue
        by_name.update({name: folder for name in names if name.endswith(".conf")})
    found = []
    for name, folder in sorted(by_name.items()):
        try:
            path = host.at("{0}/{1}".format(folder, name))
            with open(path, encoding="utf-8", errors="replace") as file:
                found.append(file.read())
        except OSError:
            continue
    return found
