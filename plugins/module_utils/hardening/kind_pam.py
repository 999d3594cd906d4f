# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``pam``: lines that must stand before or after pam_unix in the stacks of some services.

Debian's pam-auth-update writes the common files from profiles, so our lines are a profile too and
stay when a package has it write them again. It does not touch files that somebody changed by
hand; there the lines are put in directly, with all jumps counted anew. A module that is not
installed is never named: a line without its module refuses everybody.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.pam import (
    module_paths,
    plain,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    pam_profiles,
    pam_stack,
    text_edits,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.pam_stack import (
    Line,
    Wanted,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import (
    Change,
    FixFailed,
    Step,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.text_edits import Edit

_ITEMS = ({"kind": "pam_profile"},)
# root passes su's auth by pam_rootok, so this asks account and session of the real stack
_ROOT_GETS_IN = ("su", "-s", "/bin/true", "root")


class _Work(NamedTuple):
    """What is to be done: by profiles for the types in ``tool``, by hand for the rest."""

    wishes: list[Wanted]
    missing: dict[tuple[str, str], list[Wanted]]  # (file, type) -> lines


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``services``, ``stack`` [{type, side, line}], and ``profile`` (ours) or ``vendor``."""
    wishes = [pam_stack.wanted(one) for one in fix["stack"]]
    modules = tuple(dict.fromkeys(one.module for one in wishes))
    vendor = fix.get("vendor")
    if not vendor or system.exists(pam_profiles.FOLDER + vendor):
        _refuse_absent(system, modules)  # a vendor's own comes with a package of the step before
    missing = _missing(system, fix["services"], wishes)
    if not missing:
        return Step()
    features = " ".join("with-" + plain(one).replace("pam_", "") for one in modules)
    command = "authselect enable-feature " + features
    pam_stack.refuse_authselect(system, "run " + command, "请执行 " + command)
    work = _Work(wishes, missing)
    changes = tuple(
        Change("{0}: {1} {2}".format(path, kind, one.module), None, one.text())
        for (path, kind), lines in missing.items()
        for one in lines
    )
    act = _by_tool(system, fix, work) if _for_the_tool(system, missing) else _by_hand(system, work)
    return Step(changes, _ITEMS, act, _root_gets_in(system))


def _missing(
    system: Any, services: list[str], wishes: list[Wanted]
) -> dict[tuple[str, str], list[Wanted]]:
    found: dict[tuple[str, str], list[Wanted]] = {}
    for kind in dict.fromkeys(one.type for one in wishes):
        of_type = [one for one in wishes if one.type == kind]
        for service in services:
            lines = pam_stack.lines_of(system, service, kind)
            lacking = pam_stack.lacking(lines, of_type)
            if lines and lacking:
                found.setdefault((_file(service, kind, lines), kind), lacking)
    return found


def _file(service: str, kind: str, lines: list[Line]) -> str:
    files = pam_stack.pam_files(lines)
    if len(files) != 1:
        raise FixFailed(
            "the {0} stack of {1} has pam_unix in {2} files: put the lines in by hand".format(
                kind, service, len(files) or "no"
            ),
            "{1} 的 {0} 栈中有 {2} 个文件含 pam_unix：请手工加入所需的行".format(
                kind, service, len(files)
            ),
        )
    return files[0]


def _refuse_absent(system: Any, modules: tuple[str, ...]) -> None:
    for module in modules:
        if not module_paths(system, module):
            raise FixFailed(
                "{0} is not on this host, and a line that names it would refuse everybody".format(
                    module
                ),
                "本机没有 {0}，引用它的行会导致所有人无法登录".format(module),
            )


def _for_the_tool(system: Any, missing: dict[tuple[str, str], list[Wanted]]) -> bool:
    common = all(path == "/etc/pam.d/common-" + kind for path, kind in missing)
    return common and pam_profiles.untouched(system)


def _by_tool(system: Any, fix: dict[str, Any], work: _Work) -> Any:
    """What is done where pam-auth-update manages the stack."""
    files = {} if fix.get("vendor") else pam_profiles.texts(fix["profile"], work.wishes)
    names = [fix["vendor"]] if fix.get("vendor") else list(files)
    rivals = pam_profiles.rivals(system, names, work.wishes)
    strays = text_edits.written(system, _strays(work))

    def act(hands: Any) -> None:
        text_edits.make(hands, strays)
        for name, text in files.items():
            hands.write(pam_profiles.FOLDER + name, text, 0o644)
        hands.run(pam_profiles.command(names, rivals))
        for (path, kind), wishes in work.missing.items():
            _confirm(hands, path, kind, wishes)

    return act


def _strays(work: _Work) -> list[Edit]:
    """Lines of the module outside the tool's block, which would count a failure twice."""
    module = plain(work.wishes[0].module)
    return [
        Edit(path, partial(pam_profiles.without_strays, kind=kind, module=module))
        for path, kind in work.missing
    ]


def _confirm(hands: Any, path: str, kind: str, wishes: list[Wanted]) -> None:
    text = hands.run(["cat", path])
    for wish in wishes:
        words = [kind, wish.control, wish.module]
        if not any(pam_stack.words_of(one)[:3] == words for one in text.split("\n")):
            raise FixFailed(
                "pam-auth-update did not put {0} into {1}".format(wish.module, path),
                "pam-auth-update 未将 {0} 写入 {1}".format(wish.module, path),
            )


def _by_hand(system: Any, work: _Work) -> Any:
    edits = []
    for path, kind in work.missing:
        wishes = [one for one in work.wishes if one.type == kind]
        edits.append(Edit(path, partial(_rebuilt, path=path, kind=kind, wishes=wishes)))
    return partial(text_edits.make, writings=text_edits.written(system, edits))


def _rebuilt(text: str, path: str, kind: str, wishes: list[Wanted]) -> str:
    return pam_stack.rebuilt(path, text, kind, wishes)


def _root_gets_in(system: Any) -> tuple[tuple[str, ...], ...]:
    return (_ROOT_GETS_IN,) if system.exists("/etc/pam.d/su") else ()
