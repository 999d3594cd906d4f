# SPDX-License-Identifier: GPL-3.0-or-later
"""The last door before the terminal."""

from __future__ import annotations

import json

import pytest

from storewarden.cli.change_call import change_number, show_json
from storewarden.cli.guard import guarded
from storewarden.cli.printing import printable
from storewarden.domain.errors import ConfigInvalid


def test_letters_stay_and_orders_go() -> None:
    assert printable("门店 a\x1b[31mb\u202e\x9b\n") == "门店 a [31mb   "


def test_an_error_line_moves_no_cursor(capfd: pytest.CaptureFixture[str]) -> None:
    assert guarded(["audit", "--since", "x", "--no-such\x1b[2J\u202e"]) == 2
    said = capfd.readouterr().err
    assert said.startswith("storewarden: ")
    assert said.removesuffix("\n").isprintable()


def test_json_is_the_same_data_without_hidden_letters(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"门店": "a\x7f\x9b\u202e\ufeff\u2028\ud800\U000e0041\x1b 好"}
    show_json(data)
    text = capsys.readouterr().out
    assert json.loads(text) == data
    assert text.replace("\n", "").isprintable()
    assert "门店" in text


@pytest.mark.parametrize(
    "text",
    ["", "x", "../me", "?mine=1", "GMBG-20260601-001/note#", "GMBG-20260601-001\n", "\udcff",
     "gmbg-20260601-001", "GMBG-20260231-001"],
)  # fmt: skip
def test_what_is_no_number_never_becomes_a_path(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="is no change number"):
        change_number(text)


def test_a_number_of_any_prefix_and_length() -> None:
    assert change_number("SHOP1-20260601-1000") == "SHOP1-20260601-1000"
