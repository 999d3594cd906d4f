# SPDX-License-Identifier: GPL-3.0-or-later
"""What people get wrong in YAML by hand: the line says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from storewarden.config.marked_yaml import read_marked
from storewarden.domain.errors import ConfigInvalid


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("people:\n  a:\n\tname: x\n", 3, "with spaces"),
        ("people：\n  a:\n    name: x\n", 2, "full-width"),
        ("people:\n  - {name: 盘点，days: [1]}\n", 2, "full-width"),
        ("people: [a\nb: c\n", 2, ""),
    ],
)
def test_a_tab_or_a_full_width_sign_is_named(
    tmp_path: Path, text: str, line: int, hint: str
) -> None:
    file = tmp_path / "people.yml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid) as caught:
        read_marked(file, "people.yml")
    assert caught.value.where == f"people.yml:{line}"
    assert hint in caught.value.hint
    assert bool(hint) == bool(caught.value.hint)


def test_full_width_signs_in_texts_are_texts(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("note: 夜间，先停服务：再升级\n")
    assert read_marked(file, "a.yml").data == {"note": "夜间，先停服务：再升级"}
