# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of controls, asked of the collection's own loader.

There is one loader, and it lives in the collection because plain
ansible-playbook needs it too. Python never imports collections, so it runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from storewarden.adapters.ansible import collection
from storewarden.adapters.ansible.loader import Raw as _Raw
from storewarden.adapters.ansible.loader import asked
from storewarden.domain.baseline.control import Control, GuideMark, Risk, Severity
from storewarden.domain.errors import AdapterError, ContentMissing

_LOADER = Path("plugins") / "plugin_utils" / "baseline_controls.py"


class InstalledContent:
    """The Content port over the collection that was installed with this package.

    ``directory`` names another copy, for tests of a built collection.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    def controls(
        self, selection: Sequence[str] = (), *, extra: Sequence[Path] = ()
    ) -> tuple[Control, ...]:
        """Controls matching ``selection`` in id order.

        Raises ConfigInvalid (pattern or control file), ContentMissing, AdapterError.
        """
        loader = (self._directory or collection.directory()) / _LOADER
        if not loader.is_file():
            raise ContentMissing("the collection has no loader of controls", where=str(loader))
        options = [word for one in selection for word in ("--select", one)]
        options += [word for folder in extra for word in ("--extra", str(folder))]
        document = asked([sys.executable, str(loader), "--json", *options], "controls")
        try:
            found = [_control(raw) for raw in cast("Sequence[_Raw]", document["controls"])]
        except (KeyError, TypeError, ValueError) as error:
            raise AdapterError(
                f"the loader of controls answered with an unexpected document: {error!r}",
                where=str(loader),
            ) from error
        return tuple(sorted(found, key=lambda control: control.id))


def _control(raw: _Raw) -> Control:
    guide, fix = cast("_Raw", raw["guide"]), cast("_Raw", raw.get("fix") or {})
    return Control(
        id=str(raw["id"]),
        family=str(raw["family"]),
        title=_texts(raw["title"]),
        severity=Severity(raw["severity"]),
        risk=Risk(raw["risk"]),
        guide_section=str(guide["section"]),
        guide_mark=GuideMark(guide["mark"]),
        references=_lists(raw.get("refs")),
        scanners=_lists(raw.get("scanners")),
        fix_group=str(fix.get("group") or ""),
        fix_text=_texts(fix.get("text")),
        fix_manual=fix.get("kind") == "manual",
        digest=str(raw.get("digest") or ""),
    )


def _texts(raw: object) -> dict[str, str]:
    return {str(key): str(value) for key, value in cast("_Raw", raw or {}).items()}


def _lists(raw: object) -> dict[str, tuple[str, ...]]:
    given = cast("Mapping[str, Sequence[object]]", raw or {})
    return {key: tuple(map(str, values)) for key, values in given.items()}
