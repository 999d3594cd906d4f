# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of controls as the collection's loader prints it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storewarden.adapters.ansible import InstalledContent
from storewarden.domain.baseline.control import GuideMark, Risk, Severity
from storewarden.domain.errors import AdapterError, ConfigInvalid, ContentMissing

_RAW = {
    "family": "accounts",
    "title": {"en": "Long passwords", "zh": "口令长度"},
    "severity": "high",
    "risk": "R1",
    "guide": {"section": "1.1.1", "mark": "S"},
    "refs": {"mlps": ["1a"], "cis_debian12": []},
    "scanners": {"openscap": ["accounts_password_pam_minlen"]},
    "fix": {"group": "pam", "kind": "drop_in", "text": {"en": "set it", "zh": "设置"}},
    "digest": "d" * 64,
}


def _content(folder: Path, body: str) -> InstalledContent:
    loader = folder / "plugins" / "plugin_utils" / "baseline_controls.py"
    loader.parent.mkdir(parents=True)
    loader.write_text(f"import json, sys\n{body}\n")
    return InstalledContent(folder)


def test_controls_are_mapped_and_sorted(tmp_path: Path) -> None:
    document = json.dumps(json.dumps({"controls": [{"id": n, **_RAW} for n in ("B02", "A01")]}))
    found = _content(tmp_path, f"print({document})").controls()
    assert [control.id for control in found] == ["A01", "B02"]
    first = found[0]
    assert (first.severity, first.risk, first.guide_mark) == (
        Severity.HIGH,
        Risk.R1,
        GuideMark.STATED,
    )
    assert first.titled("zh") == "口令长度"
    assert first.references == {"mlps": ("1a",), "cis_debian12": ()}
    assert first.scanners == {"openscap": ("accounts_password_pam_minlen",)}
    assert (first.fix_group, first.fix_text["en"]) == ("pam", "set it")


def test_selection_and_extra_folders_are_passed_on(tmp_path: Path) -> None:
    body = "print(' '.join(sys.argv[1:]), file=sys.stderr); sys.exit(2)"
    with pytest.raises(ConfigInvalid) as caught:
        _content(tmp_path, body).controls(["A01", "B*"], extra=[Path("/site/controls")])
    assert "--json --select A01 --select B* --extra /site/controls" in str(caught.value)


@pytest.mark.parametrize(
    "body", ["print('oops')", "sys.exit(1)", "print('{}')", "print('{\"controls\": [{}]}')"]
)
def test_a_loader_that_misbehaves(tmp_path: Path, body: str) -> None:
    with pytest.raises(AdapterError, match="loader of controls"):
        _content(tmp_path, body).controls()


def test_no_loader(tmp_path: Path) -> None:
    with pytest.raises(ContentMissing, match="loader"):
        InstalledContent(tmp_path).controls()
