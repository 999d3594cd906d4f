# SPDX-License-Identifier: GPL-3.0-or-later
"""storewarden.ops.stores: traps of real files, beyond those of one cell."""

# ruff: noqa: F811 - fixtures are taken by their names
from __future__ import annotations

import zipfile
from pathlib import Path

import openpyxl
import pytest

from tests.content.test_inventory_plugin import (  # noqa: F401 - fixtures
    HEADERS,
    Load,
    load,
    row,
    worker,
    write_csv,
    write_xlsx,
)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_title_above_the_headers_does_not_hide_the_delimiter(
    load: Load, tmp_path: Path, mark: str
) -> None:
    lines = ["门店设备清单", *(mark.join(map(str, cells)) for cells in (HEADERS, row()))]
    (tmp_path / "stores.csv").write_text("\n".join(lines) + "\n")
    assert list(load(header_row=2).hosts) == ["pos01.000101"]


def test_headers_with_line_breaks_are_one_row(load: Load, tmp_path: Path) -> None:
    headers = [HEADERS[0], *(f'"{name}\n"' for name in HEADERS[1:])]
    text = "\n".join(";".join(map(str, cells)) for cells in (headers, row()))
    (tmp_path / "stores.csv").write_text(f"{text}\n")
    assert list(load().hosts) == ["pos01.000101"]


def test_empty_rows_at_the_end_are_none(load: Load, tmp_path: Path) -> None:
    write_csv(tmp_path / "stores.csv", [HEADERS, row(), [""] * 6, [" "] * 6, []])
    write_xlsx(tmp_path / "more.xlsx", [HEADERS, row("000102"), [None] * 6, [" "] * 6])
    assert len(load(files=["stores.csv", "more.xlsx"]).hosts) == 2


def two_sheets(path: Path, second: list[list[object]], state: str = "visible") -> None:
    book = openpyxl.Workbook()
    book.active.title = "东"
    for sheet, rows in ((book.active, [HEADERS, row()]), (book.create_sheet("南"), second)):
        for cells in rows:
            sheet.append(cells)
    book["南"].sheet_state = state
    book.save(path)


def test_a_second_sheet_of_devices_is_never_overlooked(load: Load, tmp_path: Path) -> None:
    two_sheets(tmp_path / "stores.xlsx", [HEADERS, row("000102")])
    errors = load(files=["stores.xlsx"]).errors
    assert "sheets '东' and '南' both look like devices" in errors
    assert list(load(files=["stores.xlsx"], sheet="南").hosts) == ["pos01.000102"]


@pytest.mark.parametrize(
    ("rows", "state"),
    [([["说明", "请勿修改"]], "visible"), ([], "visible"), ([HEADERS, row("000102")], "hidden")],
)
def test_notes_and_hidden_sheets_are_no_devices(
    load: Load, tmp_path: Path, rows: list[list[object]], state: str
) -> None:
    two_sheets(tmp_path / "stores.xlsx", rows, state)
    assert list(load(files=["stores.xlsx"]).hosts) == ["pos01.000101"]


def test_strict_open_xml_is_read_like_the_ordinary_kind(load: Load, tmp_path: Path) -> None:
    headers = [*HEADERS, "等级"]
    write_xlsx(tmp_path / "plain.xlsx", [headers, [*row(), "=1+1"]])
    spaces = {
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main": (
            b"http://purl.oclc.org/ooxml/spreadsheetml/main"
        ),
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships": (
            b"http://purl.oclc.org/ooxml/officeDocument/relationships"
        ),
    }
    with (
        zipfile.ZipFile(tmp_path / "plain.xlsx") as plain,
        zipfile.ZipFile(tmp_path / "stores.xlsx", "w") as strict,
    ):
        for name in plain.namelist():
            data = plain.read(name)
            for ordinary, other in spaces.items():
                data = data.replace(ordinary, other)
            strict.writestr(name, data)
    assert "stores.xlsx:2: tier: empty, a formula" in load(files=["stores.xlsx"]).errors


def test_one_column_may_mix_texts_and_numbers(load: Load, tmp_path: Path) -> None:
    rows = [HEADERS, row("000101"), row(102), row(103.0), row("104.0")]
    write_xlsx(tmp_path / "stores.xlsx", rows)
    hosts = load(files=["stores.xlsx"], store_width=6).hosts
    stores = [host["sw_store"] for host in hosts.values()]
    assert stores == ["000101", "000102", "000103", "000104"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"region": "华\u200b东"}, "region: '华\\u200b东' holds a line break or an invisible"),
        ({"ci": "POS\u202e1"}, "ci: 'POS\\u202e1' holds"),
        ({"role": "po\ns"}, "role: 'po\\ns' holds"),
        ({"address": "10.1.1.1:22"}, "address: '10.1.1.1:22' is neither"),
        ({"address": "10.1.1.300"}, "neither an IP address nor a host name"),
        ({"address": "010.1.1.1"}, "neither an IP address nor a host name"),
    ],
)
def test_cells_that_look_right_and_are_not(
    load: Load, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    write_xlsx(tmp_path / "stores.xlsx", [HEADERS, row(**change)])
    assert says in load(files=["stores.xlsx"]).errors


@pytest.mark.parametrize(("port", "kept"), [(2222, 2222), ("22", 22), (0, None), ("22a", None)])
def test_a_port_is_one_or_is_listed(
    load: Load, tmp_path: Path, port: object, kept: int | None
) -> None:
    write_xlsx(tmp_path / "stores.xlsx", [[*HEADERS, "端口"], [*row(), port]])
    result = load(files=["stores.xlsx"], variables={"ansible_port": "端口"})
    if kept:
        assert result.hosts["pos01.000101"]["ansible_port"] == kept
    else:
        assert "ansible_port: " in result.errors
        assert "is not a port (1-65535)" in result.errors


@pytest.mark.parametrize("name", ["a/b", "..", "-x", "a b", "a[1:3]", "!x", "~x", "a:b", "a,b"])
def test_host_names_are_safe_as_patterns_and_file_names(
    load: Load, tmp_path: Path, name: str
) -> None:
    write_xlsx(tmp_path / "stores.xlsx", [[*HEADERS, "主机名"], [*row(), name]])
    assert "host name " in load(files=["stores.xlsx"]).errors


def test_a_host_is_never_called_like_a_group(load: Load, tmp_path: Path) -> None:
    write_xlsx(tmp_path / "stores.xlsx", [[*HEADERS, "主机名"], [*row(), "all"]])
    result = load(files=["stores.xlsx"])
    assert "name of a host and of a group" in result.errors


def test_an_old_workbook_is_told_how_to_become_a_new_one(load: Load, tmp_path: Path) -> None:
    (tmp_path / "stores.xls").write_bytes(b"\xd0\xcf\x11\xe0 and so on")
    assert "save it as .xlsx" in load(files=["stores.xls"]).errors
