# SPDX-License-Identifier: GPL-3.0-or-later
"""storewarden.ops.stores: the files people have, with their traps, read by Ansible."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import openpyxl
import pytest
import yaml

from storewarden.adapters.ansible.inventory import AnsibleInventory
from storewarden.domain.errors import ConfigInvalid
from storewarden.domain.estate.device import read_estate

HEADERS = ["门店编号", "区域", "角色", "机号", "设备编号", "IP"]
BIN = Path(sys.executable).parent
Load = Callable[..., SimpleNamespace]


def row(store: object = "000101", number: object = 1, **other: object) -> list[object]:
    """A row that is in order; each (store, number) has its own ci and address."""
    unique = zlib.crc32(f"{store}/{number}".encode())
    given = {
        "region": "华东",
        "role": "pos",
        "ci": f"POS-{store}-{number}",
        "address": f"10.{unique % 250}.{unique // 250 % 250}.{unique // 62500 % 250}",
    } | other
    return [store, given["region"], given["role"], number, given["ci"], given["address"]]


def write_csv(path: Path, rows: Sequence[Sequence[object]], encoding: str = "utf-8") -> None:
    lines = [",".join(str(cell) for cell in cells) for cells in rows]
    path.write_bytes("\r\n".join([*lines, ""]).encode(encoding))


def write_xlsx(path: Path, rows: Sequence[Sequence[object]], *merged: str) -> None:
    book = openpyxl.Workbook()
    for cells in rows:
        book.active.append(list(cells))
    for span in merged:
        book.active.merge_cells(span)
    book.save(path)


@pytest.fixture(scope="module")
def worker() -> Iterator[subprocess.Popen[str]]:
    """A process with Ansible loaded; see ``inventory_worker``."""
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("inventory_worker.py")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def load(tmp_path: Path, worker: subprocess.Popen[str]) -> Load:
    """Writes stores.yml with the given options into ``tmp_path`` and has it parsed."""

    def run(**options: object) -> SimpleNamespace:
        config = {"plugin": "storewarden.ops.stores", "files": ["stores.csv"]} | options
        (tmp_path / "stores.yml").write_text(yaml.safe_dump(config, allow_unicode=True))
        assert worker.stdin
        assert worker.stdout
        worker.stdin.write(f"{tmp_path / 'stores.yml'}\n")
        worker.stdin.flush()
        return SimpleNamespace(**json.loads(worker.stdout.readline()))

    return run


def ansible_inventory(path: Path) -> subprocess.CompletedProcess[str]:
    """The real command, strict as the runner sets it."""
    return subprocess.run(
        [BIN / "ansible-inventory", "-i", path, "--list"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1"},
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_csv_in_every_encoding_becomes_hosts_with_variables_and_groups(
    load: Load, tmp_path: Path, encoding: str
) -> None:
    write_csv(tmp_path / "stores.csv", [HEADERS, row(), row(number=2)], encoding)
    result = load(defaults={"tier": "core", "tz": "Asia/Shanghai", "hours": "10:00-22:00"})
    assert result.errors == ""
    assert result.hosts["pos01.000101"] == {
        "ansible_host": row()[5],
        "sw_store": "000101",
        "sw_region": "华东",
        "sw_role": "pos",
        "sw_ci": "POS-000101-1",
        "sw_tier": "core",
        "sw_tz": "Asia/Shanghai",
        "sw_hours": "10:00-22:00",
    }
    both = ["pos01.000101", "pos02.000101"]
    assert result.groups == {
        "region_华东": both, "store_000101": both, "role_pos": both, "tier_core": both,
    }  # fmt: skip


@pytest.mark.slow
def test_xlsx_is_read_and_groups_can_be_used_as_a_limit(load: Load, tmp_path: Path) -> None:
    write_xlsx(tmp_path / "stores.xlsx", [HEADERS, row(), row("000102", region="华南")])
    result = load(files=["stores.xlsx"])
    assert sorted(result.hosts) == ["pos01.000101", "pos01.000102"]
    printed = json.loads(ansible_inventory(tmp_path / "stores.yml").stdout)
    assert printed["region_华南"]["hosts"] == ["pos01.000102"]
    listed = subprocess.run(
        [BIN / "ansible", "-i", tmp_path / "stores.yml", "region_华南", "--list-hosts"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert listed.stdout.split()[-1] == "pos01.000102"


@pytest.mark.slow
def test_template_text_in_a_file_stays_text(load: Load, tmp_path: Path) -> None:
    trap = "{{ lookup('pipe'; 'touch ' ~ inventory_dir ~ '/ran') }}"
    cells = [[*HEADERS, "备注"], [*row(), trap]]
    write_csv(tmp_path / "stores.csv", cells)
    assert load(variables={"note": "备注"}).hosts["pos01.000101"]["note"] == trap
    shown = subprocess.run(
        [BIN / "ansible", "-i", tmp_path / "stores.yml", "all", "-c", "local", "-m", "debug",
         "-a", "msg={{ note }}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "lookup(" in shown.stdout
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_all_problems_of_all_files_are_listed_at_once_and_nothing_is_loaded(
    load: Load, tmp_path: Path
) -> None:
    write_csv(
        tmp_path / "a.csv",
        [HEADERS, row(), row(number=2, ci="POS-000101-1"), row(number=3, address="10.1.1")],
    )
    write_csv(
        tmp_path / "b.csv",
        [HEADERS, row(), row("000102", role=""), row("000101", 9, region="华南"), row("000103")],
    )
    result = load(files=["a.csv", "b.csv", "gone*.xlsx"])
    assert result.hosts == {}
    for line in (
        "gone*.xlsx: no such file",
        "a.csv:3: ci POS-000101-1 is also at a.csv:2",
        "a.csv:4: address: '10.1.1' is neither an IP address nor a host name",
        "b.csv:2: host name pos01.000101 is also at a.csv:2",
        "b.csv:3: role: empty",
        "b.csv:4: store 000101 is in region '华南' here and '华东' at a.csv:2",
    ):
        assert line in result.errors
    assert "b.csv:5" not in result.errors
    command = ansible_inventory(tmp_path / "stores.yml")
    assert command.returncode != 0
    assert "a.csv:3: ci POS-000101-1 is also at a.csv:2" in command.stderr


def test_a_long_list_of_problems_has_an_end(load: Load, tmp_path: Path) -> None:
    rows = [row("000101", number, role="") for number in range(1, 88)]
    write_csv(tmp_path / "stores.csv", [HEADERS, *rows])
    errors = load().errors
    assert "87 problems" in errors
    assert "and 37 more" in errors


def test_numbers_get_their_zeros_back_only_when_the_width_is_declared(
    load: Load, tmp_path: Path
) -> None:
    write_xlsx(tmp_path / "stores.xlsx", [HEADERS, row(1, 1), row("000102", 1.0), row(103, 2)])
    refused = load(files=["stores.xlsx"])
    assert "stores.xlsx:2: store: 1 is a number" in refused.errors
    assert "stores.xlsx:4: store: 103 is a number" in refused.errors
    assert "store_width" in refused.errors
    hosts = load(files=["stores.xlsx"], store_width=6).hosts
    assert {name: host["sw_store"] for name, host in hosts.items()} == {
        "pos01.000001": "000001", "pos01.000102": "000102", "pos02.000103": "000103",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (date(2025, 1, 2), "made a date or time of it"),
        (True, "TRUE/FALSE"),
        (210231000000194000005.0, "is a number"),
        ("1.00002E+11", "lost digits"),
        ("1234567", "more than 6 digits"),
    ],
)
def test_an_id_that_the_spreadsheet_changed_is_refused(
    load: Load, tmp_path: Path, cell: object, says: str
) -> None:
    good = row("000102")
    write_xlsx(tmp_path / "stores.xlsx", [HEADERS, good, [cell, *row()[1:]]])
    result = load(files=["stores.xlsx"], store_width=6)
    assert "stores.xlsx:3: store: " in result.errors
    assert says in result.errors


def test_zeros_kept_by_a_spreadsheet_users_tricks(load: Load, tmp_path: Path) -> None:
    cells = [HEADERS, ['="000101"', *row()[1:]], ["'000102", *row("000102")[1:]]]
    write_csv(tmp_path / "stores.csv", cells)
    assert sorted(load().hosts) == ["pos01.000101", "pos01.000102"]


def test_merged_cells_are_listed_or_filled_down(load: Load, tmp_path: Path) -> None:
    rows = [HEADERS, row(), row("", 2, region="", ci="POS-2", address="10.9.9.9")]
    write_xlsx(tmp_path / "stores.xlsx", rows, "A2:A3", "B2:B3")
    refused = load(files=["stores.xlsx"])
    assert "stores.xlsx:3: store: empty, merged with A2; list the column" in refused.errors
    assert "stores.xlsx:3: region: empty, merged with B2" in refused.errors
    filled = load(files=["stores.xlsx"], fill_down=["store", "区域"])
    assert filled.hosts["pos02.000101"]["sw_region"] == "华东"


def test_a_formula_without_result_is_not_an_empty_cell(load: Load, tmp_path: Path) -> None:
    headers = [*HEADERS, "等级", "备注"]
    write_xlsx(
        tmp_path / "stores.xlsx",
        [headers, [*row(), "=IF(1=1,1,2)", "x"], [*row(number=2), "core", "=A1&A2"]],
    )
    result = load(files=["stores.xlsx"], variables={"note": "备注"}, defaults={"tier": "core"})
    assert "stores.xlsx:2: tier: empty, a formula saved without its result" in result.errors
    assert "stores.xlsx:3: note: empty, a formula saved without its result" in result.errors


def test_an_error_value_is_not_an_empty_cell(load: Load, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for cells in ([*HEADERS, "等级"], [*row(), "#N/A"]):
        book.active.append(cells)
    book.active["G2"].data_type = "e"
    book.save(tmp_path / "stores.xlsx")
    assert "tier: empty, the formula gives an error (#N/A)" in load(files=["stores.xlsx"]).errors


def test_different_names_never_share_a_group(load: Load, tmp_path: Path) -> None:
    rows = [row(region="East-1"), row("000102", region="East 1"), row("000103", role="POS")]
    write_csv(tmp_path / "stores.csv", [HEADERS, *rows, row("000104", 2)])
    errors = load().errors
    assert "group region_East_1 stands for region 'East 1' here and 'East-1'" in errors
    assert "group role_POS stands for role 'POS' here and 'pos' at stores.csv:2" in errors


def test_a_code_column_names_the_region_groups(load: Load, tmp_path: Path) -> None:
    headers = [*HEADERS, "区域编码"]
    write_csv(tmp_path / "stores.csv", [headers, [*row(), "hd"], [*row("000102"), "hd"]])
    result = load()
    assert result.groups["region_hd"] == ["pos01.000101", "pos01.000102"]
    assert result.hosts["pos01.000101"]["sw_region"] == "华东"
    write_csv(
        tmp_path / "stores.csv",
        [headers, [*row(), "hd"], [*row("000102", region="华南"), "hd"], [*row("000103"), "x"]],
    )
    errors = load().errors
    assert "group region_hd stands for region '华南' here and '华东'" in errors
    assert "region 华东 has code 'x' here and 'hd'" in errors


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_the_delimiter_is_taken_from_the_header(load: Load, tmp_path: Path, delimiter: str) -> None:
    headers = [*HEADERS, "故障组", "营业时间"]
    line = [*row(), '"wan,a;sw-1"', "10:00-22:00"]
    text = "\n".join(delimiter.join(str(cell) for cell in cells) for cells in (headers, line))
    (tmp_path / "stores.csv").write_text(f"{text}\n")
    host = load().hosts["pos01.000101"]
    assert host["sw_failure_groups"] == ["wan", "a", "sw-1"]
    assert host["sw_hours"] == "10:00-22:00"


def test_row_numbers_count_lines_of_the_file(load: Load, tmp_path: Path) -> None:
    text = f'{",".join(HEADERS)},备注\n{",".join(map(str, row()))},"two\nlines"\n\n'
    bad = ",".join(map(str, row(number=2, address="nowhere in particular")))
    (tmp_path / "stores.csv").write_text(f"{text}{bad},x\n")
    assert "stores.csv:5: address" in load().errors


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\x81\x00\xff\xff\x00", "neither UTF-8 nor GB18030"),
        (b"PK\x03\x04 and so on", "is a workbook, not CSV"),
        (b'a,b\n"x"y,2\n', "row 2: quotes do not match"),
        ("编号,城市\n1,2\n".encode(), "headers found: 编号, 城市"),
        (b"store,region,role,ci,number,ip,shop\n1,2,3,4,5,6,7\n", "two columns for store"),
        (",".join(HEADERS).encode(), "hold no devices"),
    ],
)
def test_files_that_are_no_lists_say_so(
    load: Load, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "stores.csv").write_bytes(content)
    result = load()
    assert result.hosts == {}
    assert says in result.errors


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"colums": {}}, "unknown option: colums"),
        ({"columns": {"shop": "x"}}, "unknown field 'shop'"),
        ({"columns": {"store": "Filiale"}}, "no column 'Filiale'"),
        ({"variables": {"ansible_password": "备注"}}, "a secret does not belong"),
        ({"host_name": "{stor}"}, "unknown field {stor}"),
        ({"defaults": {"tz": "Asia/Nowhere"}}, "unknown time zone 'Asia/Nowhere'"),
        ({"compose": {"x": "nothing.at.all"}, "strict": True}, "Could not set x"),
    ],
)
def test_wrong_options_are_named(
    load: Load, tmp_path: Path, options: dict[str, object], says: str
) -> None:
    write_csv(tmp_path / "stores.csv", [HEADERS, row()])
    result = load(**options)
    assert result.hosts == {}
    assert says in result.errors


def test_a_broken_workbook_and_a_wrong_sheet(load: Load, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "broken.xlsx", "w") as archive:
        archive.writestr("x", "y")
    write_xlsx(tmp_path / "good.xlsx", [HEADERS, row()])
    errors = load(files=["broken.xlsx", "good.xlsx"], sheet="Geräte").errors
    assert "broken.xlsx: is not a readable workbook" in errors
    assert "good.xlsx: has no sheet 'Geräte', only: Sheet" in errors


def test_compose_and_keyed_groups_build_on_the_variables(load: Load, tmp_path: Path) -> None:
    write_csv(tmp_path / "stores.csv", [HEADERS, row(), row("000102", role="server")])
    result = load(
        values={"role": {"server": "store_server"}},
        compose={"ansible_user": "'ops-' ~ sw_role"},
        groups={"tills": "sw_role == 'pos'"},
        keyed_groups=[{"prefix": "kind", "key": "sw_role"}],
    )
    assert result.hosts["store_server01.000102"]["ansible_user"] == "ops-store_server"
    assert result.groups["tills"] == ["pos01.000101"]
    assert result.groups["kind_store_server"] == ["store_server01.000102"]


@pytest.mark.slow
def test_an_operator_sees_the_first_problems_in_one_line(load: Load, tmp_path: Path) -> None:
    rows = [row("000101", number, role="") for number in range(1, 6)]
    write_csv(tmp_path / "stores.csv", [HEADERS, *rows])
    assert load().errors
    with pytest.raises(ConfigInvalid) as caught:
        AnsibleInventory().resolve([tmp_path / "stores.yml"])
    assert str(caught.value) == (
        f"{tmp_path / 'stores.yml'}: stores.csv:2: role: empty; stores.csv:3: role: empty; "
        "stores.csv:4: role: empty; and 2 more"
    )


@pytest.mark.slow
def test_the_example_chain_is_a_complete_estate(project_root: Path) -> None:
    found = AnsibleInventory().resolve([project_root / "inventories/example/stores.yml"])
    estate = read_estate(found.hosts, lambda name: name == "Asia/Shanghai")
    assert [str(finding) for finding in estate.findings] == []
    assert len(estate.devices) == 38
    assert len(found.groups["region_hd"]) == 16
    hours = {device.store: device.hours.text for device in estate.devices if device.hours}
    assert hours["000101"] == "10:00-22:00"
    assert hours["000201"] == "10:30-22:30"
    assert hours["000202"] == "11:00-02:00"


@pytest.mark.slow
def test_the_plugin_documents_itself() -> None:
    shown = subprocess.run(
        [BIN / "ansible-doc", "-t", "inventory", "storewarden.ops.stores"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for option in ("store_width", "fill_down", "host_name", "EXAMPLES"):
        assert option in shown


def test_the_page_names_every_header_that_is_known(project_root: Path) -> None:
    cells = project_root / "plugins/plugin_utils/estate_cells.py"
    spec = importlib.util.spec_from_file_location("estate_cells", cells)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    page = (project_root / "docs/operators/estate.md").read_text()
    known = [header for headers in module.KNOWN_HEADERS.values() for header in headers]
    assert [header for header in known if header not in page] == []
