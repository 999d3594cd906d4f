# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading the tables that retail people really have: CSV of unknown encoding, and XLSX.

The rule: a cell that cannot be read for what it was meant to be is never taken for an
empty one. Formulas that were saved without a result, error values and the lower cells of a
merged range all arrive as nothing; `Table.lost` remembers where and why.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
from dataclasses import dataclass, field
from xml.etree import ElementTree

_DELIMITERS = (",", ";", "\t")
_LARGEST_FILE = 64 * 1024 * 1024  # bytes; 3,000 devices x 20 columns are about 0.5 MB
_SAME_HEADERS = 3  # cells that two sheets share at their top: lists of the same kind
_LARGEST_SHEET = 512 * 1024 * 1024  # bytes of one sheet after unpacking


class FileUnreadable(Exception):
    """The whole file is of no use; the text says why and what to do."""


@dataclass
class Table:
    """One sheet of one file as it is: `rows` are (row number in the file, cells).

    The header row is among the rows. `lost` maps (row number, column index from 0) to the
    reason why that cell has no value.
    """

    shown: str
    rows: list = field(default_factory=list)
    lost: dict = field(default_factory=dict)


def read_table(path, shown, sheet=None, header_row=0):
    """The table in the file `path`, called `shown` in messages; FileUnreadable.

    `header_row` is the line of the headers in a CSV file, 0 for the first that is not empty.
    """
    try:
        if os.path.getsize(path) > _LARGEST_FILE:
            raise FileUnreadable("is larger than 64 MB: that is not a list of devices")
        if os.path.splitext(path)[1].lower() in (".xlsx", ".xlsm"):
            return _read_workbook(path, shown, sheet)
        with open(path, "rb") as handle:
            return _read_csv(handle.read(), shown, header_row)
    except OSError as error:
        raise FileUnreadable("cannot be read: %s" % (error.strerror or error)) from error


# --- CSV ------------------------------------------------------------------------------------


def decode(data):
    """The text of a CSV file: UTF-16 with its mark, UTF-8 with or without, then GB18030."""
    if data.startswith(b"PK\x03\x04"):
        raise FileUnreadable("is a workbook, not CSV: name it .xlsx")
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise FileUnreadable("is a workbook of the old kind: save it as .xlsx")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise FileUnreadable("holds NUL characters: it is not a text file")
        return text
    raise FileUnreadable(
        "is neither UTF-8 nor GB18030: save it again as 'CSV UTF-8' from the spreadsheet"
    )


def _delimiter(text, header_row):
    """(delimiter, lines to skip): what splits the headers into most cells; comma when equal.

    Only the header row is asked: further down, addresses and opening hours hold semicolons,
    and a title above it holds nothing.
    """
    first = next(line for line in text.splitlines() if line.strip())
    if first.lower().startswith("sep=") and len(first) == len("sep=,"):
        return first[4], 1
    return max(_DELIMITERS, key=lambda mark: _header_cells(text, mark, header_row)), 0


def _header_cells(text, mark, header_row):
    """How many cells the header row has when `mark` separates them; headers may hold newlines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    before = 0
    try:
        for cells in reader:
            if before + 1 >= header_row and any(cell.strip() for cell in cells):
                return len(cells)
            before = reader.line_num
    except csv.Error:
        pass  # reading it for good says where
    return 0


def _read_csv(data, shown, header_row):
    text = decode(data)
    if not text.strip():
        raise FileUnreadable("is empty")
    delimiter, skipped = _delimiter(text, header_row)
    table = Table(shown)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before = 0
    try:
        for cells in reader:
            if before >= skipped:
                table.rows.append((before + 1, [_unquote(cell) for cell in cells]))
            before = reader.line_num
    except csv.Error as error:
        raise FileUnreadable("row %d: quotes do not match (%s)" % (before + 1, error)) from error
    return table


def _unquote(cell):
    """`="000001"` and `'000001` are how people keep their zeros in CSV."""
    if cell.startswith('="') and cell.endswith('"') and len(cell) > 2:
        return cell[2:-1]
    return cell[1:] if cell.startswith("'") else cell


# --- XLSX -----------------------------------------------------------------------------------


def _read_workbook(path, shown, sheet):
    try:
        import python_calamine
    except ImportError as error:
        raise FileUnreadable(
            "XLSX needs the Python package python-calamine beside Ansible "
            "(pip install python-calamine), or save the sheet as CSV UTF-8"
        ) from error
    try:
        with python_calamine.CalamineWorkbook.from_path(path) as book:
            name = _sheet_name(book, sheet)
            found = book.get_sheet_by_name(name)
            merged = found.merged_cell_ranges or []
            values = found.to_python(skip_empty_area=False)
            if sheet in (None, ""):
                _refuse_second(book, name, values)
    except python_calamine.PasswordError as error:
        raise FileUnreadable("is protected by a password: save it without one") from error
    except (
        python_calamine.CalamineError,
        python_calamine.ZipError,
        python_calamine.XmlError,
    ) as error:
        raise FileUnreadable("is not a readable workbook (%s)" % error) from error
    if not values:
        raise FileUnreadable("sheet %r is empty" % name)
    table = Table("%s[%s]" % (shown, name) if len(book.sheet_names) > 1 else shown)
    table.rows = list(enumerate(values, start=1))
    table.lost = _merged_cells(merged)
    table.lost.update(_cells_without_result(path, name))
    return table


def _sheet_name(book, wanted):
    """The sheet by name, by number from 1, or the first that is not hidden."""
    if wanted in (None, ""):
        hidden = [str(entry.visible).endswith("Hidden") for entry in book.sheets_metadata]
        return book.sheet_names[hidden.index(False) if False in hidden else 0]
    if str(wanted) in book.sheet_names:
        return str(wanted)
    if str(wanted).isdigit() and 1 <= int(wanted) <= len(book.sheet_names):
        return book.sheet_names[int(wanted) - 1]
    raise FileUnreadable("has no sheet %r, only: %s" % (wanted, ", ".join(book.sheet_names)))


def _refuse_second(book, name, values):
    """Half a chain on another sheet must not go unseen: same headers, other devices."""
    headers = {str(cell).strip() for row in values[:5] for cell in row if str(cell).strip()}
    for entry in book.sheets_metadata:
        if entry.name == name or str(entry.visible).endswith("Hidden"):
            continue
        rows = book.get_sheet_by_name(entry.name).to_python(skip_empty_area=False, nrows=5)
        others = {str(cell).strip() for row in rows for cell in row if str(cell).strip()}
        if len(headers & others) >= _SAME_HEADERS:
            raise FileUnreadable(
                "sheets %r and %r both look like devices: say which under sheet:, "
                "one *.stores.yml for each" % (name, entry.name)
            )


def _merged_cells(ranges):
    """Every cell of a merged range but its first, with the reason for its emptiness."""
    lost = {}
    for (top, left), (bottom, right) in ranges:
        reason = "merged with %s" % cell_name(top + 1, left)
        for row in range(top, min(bottom, top + 20000) + 1):
            for column in range(left, min(right, left + 256) + 1):
                if (row, column) != (top, left):
                    lost[(row + 1, column)] = reason
    return lost


def cell_name(row, column):
    """`B7` for row 7, column 1 (from 0)."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return "%s%d" % (letters, row)


def _cells_without_result(path, sheet):
    """Formulas saved without a result and error values, which calamine both gives as empty."""
    with zipfile.ZipFile(path) as archive:
        member = _sheet_member(archive, sheet)
        if archive.getinfo(member).file_size > _LARGEST_SHEET:
            raise FileUnreadable("sheet %r is larger than 512 MB" % sheet)
        data = archive.read(member)
    if not any(mark in data for mark in (b"<f", b":f>", b":f ", b't="e"', b"t='e'")):
        return {}  # the ordinary case; parsing would cost more than all the rest
    lost = {}
    for _event, cell in ElementTree.iterparse(io.BytesIO(data)):
        if _local(cell) == "c":
            reason = _why_no_result(cell)
            if reason:
                lost[_position(cell.get("r"))] = reason
            cell.clear()
    return lost


def _why_no_result(cell):
    value = cell.findtext("{*}v") or ""
    if cell.get("t") == "e":
        return "the formula gives an error (%s)" % (value or "#VALUE!")
    if cell.find("{*}f") is not None and not value and cell.get("t") != "str":
        return "a formula saved without its result: open the file in a spreadsheet and save it"
    return ""


def _local(element):
    """The tag without its namespace: there are two, of ordinary and of strict Open XML."""
    return element.tag.rpartition("}")[2]


def _position(reference):
    """(row number, column index from 0) of `B7`."""
    letters = reference.rstrip("0123456789")
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    return int(reference[len(letters) :]), column - 1


def _sheet_member(archive, sheet):
    """The archive member that holds the sheet, by the workbook's own relations."""
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    entry = next(e for e in book.iter() if _local(e) == "sheet" and e.get("name") == sheet)
    relation = next(entry.get(name) for name in entry.keys() if name.endswith("}id"))
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    target = next(entry.get("Target") for entry in relations if entry.get("Id") == relation)
    return target.lstrip("/") if target.startswith("/") else "xl/" + target
