# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``pam_args``: arguments that the lines of a PAM module must not have, such as ``nullok``.

The line is changed where it stands, and everything else on it stays as written: pam-auth-update
takes an argument that is gone for the administrator's wish and keeps it away.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.pam import plain
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    pam_stack,
    text_edits,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.text_edits import Edit


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``services``, ``type``, ``module``, ``args`` (names); ``instead``: one to be there then."""
    names = tuple(str(one) for one in fix["args"])
    instead = str(fix.get("instead", ""))
    changes: dict[tuple[str, str], Change] = {}
    for service in fix["services"]:
        for line in pam_stack.lines_of(system, service, fix["type"]):
            if plain(line.module) != plain(fix["module"]):
                continue
            for one in line.args:
                if name_of(one) in names:
                    changes[line.path, one] = _change(fix, line.path, one, instead)
    if not changes:
        return Step()
    refuse_authselect(system, fix["module"], names)
    edits = without(fix["type"], fix["module"], names, instead, [path for path, _arg in changes])
    act = partial(text_edits.make, writings=text_edits.written(system, edits))
    return Step(tuple(changes.values()), ({"kind": "pam_profile"},), act)


def refuse_authselect(system: Any, module: str, names: tuple[str, ...]) -> None:
    """FixFailed where these arguments have to go from authselect's profile."""
    words = (", ".join(names), module)
    pam_stack.refuse_authselect(
        system,
        "take {0} off the lines of {1} in its profile (for nullok: authselect enable-feature "
        "without-nullok)".format(*words),
        "请在其配置文件中去除 {1} 行上的 {0}（nullok 可用 authselect enable-feature "
        "without-nullok）".format(*words),
    )


def without(
    kind: str, module: str, names: tuple[str, ...], instead: str, paths: list[str]
) -> list[Edit]:
    """The edits that take the arguments off the module's lines in these files."""
    change = partial(pam_stack.without_args, kind=kind, module=module, names=names, instead=instead)
    return [Edit(path, change) for path in dict.fromkeys(paths)]


def name_of(argument: str) -> str:
    """``deny`` for ``deny=5`` and for ``[deny=5]``."""
    return argument.strip("[]").partition("=")[0]


def _change(fix: dict[str, Any], path: str, argument: str, instead: str) -> Change:
    return Change(
        "{0}: {1} {2}".format(path, fix["type"], fix["module"]), argument, instead or None
    )
