# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``pam_setting``: what a PAM module is told, put so that it is in force.

The counterpart of the getter of that name. An argument on the module's line wins over its files,
the later file over the earlier one, and libpwquality stops at a line that it does not understand.
So besides writing the value, everything that would win over it is taken away. A value that is
good already stays as it is, however it differs: no host is made weaker.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters import GETTERS
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.pam import plain
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.pam_settings import (
    understood,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.getters.text_files import (
    files_of,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening import (
    kind_pam_args,
    pam_stack,
    text_edits,
)
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.own_lines import HEADER
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.step import Change, Step
from ansible_collections.storewarden.ops.plugins.module_utils.hardening.text_edits import (
    OFF,
    Edit,
    Style,
)

_STRICT_READERS = ("pam_pwquality",)


class _Setting(NamedTuple):
    """One name, the value that it gets, and what would be good enough."""

    name: str
    value: Any
    good: Any  # expect, or a list of them of which one must hold


def plan(system: Any, fix: dict[str, Any]) -> Step:
    """``services``, ``type``, ``module``, ``path`` (the file to write), ``settings`` {name: value;
    true = the bare name}; ``files`` [globs]: all that the module reads, in its order (default:
    ``path`` alone), ``good`` {name: expect or a list of them}, ``needs``: the control that gets
    the module loaded. What nobody set is set, even where the module's own default would do."""
    bad = [one for one in _settings(fix) if not _in_force(system, fix, one)]
    lines = _lines(system, fix)
    remains = (_nobody(fix),) if fix.get("needs") and not lines else ()
    if not bad:
        return Step(remains=remains)
    style = _style(fix)
    path = _path(system, fix)
    edits = [Edit(path, partial(_written, system=system, style=style, bad=bad), 0o644)]
    names = tuple(one.name for one in bad)
    edits += _others(system, fix, path, names)
    spared = [one for one in lines if any(kind_pam_args.name_of(a) in names for a in one.args)]
    if spared:
        kind_pam_args.refuse_authselect(system, fix["module"], names)
    edits += kind_pam_args.without(
        fix["type"], fix["module"], names, "", [one.path for one in spared]
    )
    writings = text_edits.written(system, edits)
    items = [*text_edits.items(system, writings), *([{"kind": "pam_profile"}] if spared else [])]
    changes = tuple(_change(system, fix, path, one) for one in bad)
    return Step(
        changes,
        tuple(items),
        partial(text_edits.make, writings=writings),
        remains=remains,
    )


def _settings(fix: dict[str, Any]) -> list[_Setting]:
    goods = fix.get("good", {})
    return [
        _Setting(
            name, value, goods.get(name, {"all_in": ["true" if value is True else str(value)]})
        )
        for name, value in fix["settings"].items()
    ]


def _lines(system: Any, fix: dict[str, Any]) -> list[pam_stack.Line]:
    return [
        line
        for service in fix["services"]
        for line in pam_stack.lines_of(system, service, fix["type"])
        if plain(line.module) == plain(fix["module"])
    ]


def _in_force(system: Any, fix: dict[str, Any], setting: _Setting) -> bool:
    query = {
        "service": list(fix["services"]),
        "type": fix["type"],
        "module": fix["module"],
        "files": fix.get("files", [fix["path"]]),
        "key": setting.name,
    }
    if setting.value is True:
        query["flag"] = True
    values = GETTERS["pam_setting"].look(system, query)
    if not values:  # nobody loads the module yet: what its files would tell it
        values = [_in_files(system, fix, setting)]
    return None not in values and text_edits.good(system, setting.good, values)


def _in_files(system: Any, fix: dict[str, Any], setting: _Setting) -> str | None:
    found = None
    for path in files_of(system, fix.get("files", [fix["path"]])):
        text = text_edits.text_of(system, path)
        value = text_edits.value_in(text, setting.name, _style(fix))
        found = value if value is not None else found
    return "true" if found is not None and setting.value is True else found


def _style(fix: dict[str, Any]) -> Style:
    return Style(fold=plain(fix["module"]) in _STRICT_READERS)


def _path(system: Any, fix: dict[str, Any]) -> str:
    """The file to write: ``conf=`` on the module's line names another one."""
    for line in _lines(system, fix):
        for argument in line.args:
            name, _equals, value = argument.partition("=")
            if name == "conf" and not fix.get("files"):
                return value
    return str(fix["path"])


def _written(text: str, system: Any, style: Style, bad: list[_Setting]) -> str:
    """The file with our values, except where it holds a good one itself."""
    text = text or HEADER
    for one in bad:
        now = text_edits.value_in(text, one.name, style)
        now = "true" if now is not None and one.value is True else now
        kept = now is not None and text_edits.good(system, one.good, [now])
        text = text if kept else text_edits.with_setting(text, one.name, one.value, style)
    return text


def _others(system: Any, fix: dict[str, Any], path: str, names: tuple[str, ...]) -> list[Edit]:
    style = _style(fix)
    change = partial(
        text_edits.without_lines,
        unwanted=partial(_in_the_way, names=names, style=style, strict=style.fold),
    )
    return [Edit(one, change) for one in files_of(system, fix.get("files", [])) if one != path]


def _in_the_way(line: str, names: tuple[str, ...], style: Style, strict: bool) -> bool:
    setting = text_edits.setting_in(line, style)
    if setting is None or line.startswith(OFF):
        return False
    return setting[0] in names or (strict and not understood(*setting))


def _change(system: Any, fix: dict[str, Any], path: str, setting: _Setting) -> Change:
    before = text_edits.value_in(text_edits.text_of(system, path), setting.name, _style(fix))
    after = "set" if setting.value is True else setting.value
    return Change("{0}: {1}".format(path, setting.name), before, after)


def _nobody(fix: dict[str, Any]) -> dict[str, str]:
    words = (", ".join(fix["services"]), fix["module"], fix["needs"])
    return {
        "en": "no stack of {0} loads {1}; that is fixed by {2}".format(*words),
        "zh": "{0} 的 PAM 栈均未加载 {1}，由 {2} 修复".format(*words),
    }
