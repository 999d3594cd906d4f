# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a PAM module will really do: an argument on its line, else its file, else its default.

A setting in a file that no line of the stack loads is not in force, so there is one answer per
line of the module and none without the module. Files are read as pam_pwquality and pam_faillock
read them: the later line wins, ``#`` ends a line wherever it stands, "=" may be missing.
libpwquality takes names in any case, and stops at a line that it does not understand: what follows
is not read.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getter import Getter, texts
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.pam import (
    lines_of,
    plain,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.text_files import (
    files_of,
)

# pwquality.conf(5), libpwquality 1.4.5; True: the value must be a number
_PWQUALITY = {
    **dict.fromkeys(
        (
            *("difok", "minlen", "dcredit", "ucredit", "lcredit", "ocredit", "minclass"),
            *("maxrepeat", "maxclassrepeat", "maxsequence", "gecoscheck", "dictcheck"),
            *("usercheck", "usersubstr", "enforcing", "retry"),
        ),
        True,
    ),
    **dict.fromkeys(("badwords", "dictpath", "enforce_for_root", "local_users_only"), False),
}


def _pam_setting(system: Any, query: dict[str, Any]) -> list[str | None]:
    found: list[str | None] = []
    for line in lines_of(system, query):
        for key in texts(query["key"]):
            value = _value(system, query, line, key)
            found += [] if value in found else [value]
    return found


def _value(system: Any, query: dict[str, Any], line: dict[str, Any], key: str) -> str | None:
    fold = plain(str(query["module"])) == "pam_pwquality"
    files = _files(system, query, line)
    settings = _settings(system, tuple(files), fold)
    for name, value in line["options"].items():
        settings = dict(settings, **{name.lower() if fold else name: value})
    value = settings.get(key, query.get("default"))
    return "true" if query.get("flag") and value is not None else value


def _files(system: Any, query: dict[str, Any], line: dict[str, Any]) -> list[str]:
    """The module's files; ``conf=`` on its line names another one (pam_faillock, pam_pwhistory)."""
    if not query.get("files"):
        return []
    named = line["options"].get("conf")
    return [named] if named else files_of(system, query["files"])


def _settings(system: Any, files: tuple[str, ...], fold: bool) -> dict[str, str]:
    key = ("pam settings", files, fold)
    return dict(system.remember(key, lambda: _read(system, files, fold)))


def _read(system: Any, files: tuple[str, ...], fold: bool) -> dict[str, str]:
    settings: dict[str, str] = {}
    for path in files:
        for line in system.lines(path):
            words = re.split(r"\s*=\s*|\s+", line.split("#", 1)[0].strip(), maxsplit=1)
            name = words[0].lower() if fold else words[0]
            value = words[1] if len(words) > 1 else ""
            if name and fold and not understood(name, value):
                return settings
            settings.update({name: value} if name else {})
    return settings


def understood(name: str, value: str) -> bool:
    """Whether libpwquality reads on behind a line with this setting."""
    numeric = _PWQUALITY.get(name)
    return numeric is not None and (not numeric or bool(re.match(r"[+-]?\d+$", value)))


GETTERS = (
    Getter(
        "pam_setting",
        _pam_setting,
        ("service", "type", "module", "key"),
        ("files", "default", "flag", "before", "after", "with_arg", "control"),
    ),
)
