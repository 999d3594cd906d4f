# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From rows of a table to devices, or to a complete list of what is wrong with them.

The rule: nothing is guessed and nothing is half-loaded. Every row is looked at, every
problem is noted with file and row, and only a list without problems becomes an inventory.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.storewarden.ops.plugins.plugin_utils.estate_cells import (
    KNOWN_HEADERS,
    REQUIRED,
    BadCell,
    address,
    cell_text,
    extra_value,
    group_name,
    header_key,
    template_parts,
)

_HOST = re.compile(r"[^\W_](?:[\w.-]*[^\W_])?")
_SPLIT = re.compile(r"[;,|、；，]")
_NONE = ("-", "none", "无")  # "this device shares no failure group", as opposed to an empty cell


class Problem(NamedTuple):
    """One line of the list; row 0 means the file as a whole."""

    shown: str
    row: int
    text: str

    def __str__(self):
        place = "%s:%d" % (self.shown, self.row) if self.row else self.shown
        return "%s: %s" % (place, self.text)


class Device(NamedTuple):
    """One row that is in order: inventory name, variables, groups, and where it stands."""

    name: str
    variables: dict
    groups: tuple
    place: str


# --- the header row --------------------------------------------------------------------------


class Layout:
    """Which column holds what: `fields` and `variables` map names to column indexes."""

    def __init__(self, table, rules):
        self.problems = []
        self.fields = {}
        self.variables = {}
        self.header_row, cells = _header(table, rules)
        self.headers = [str(cell).strip() for cell in cells]
        self._keys = [header_key(cell) for cell in cells]
        self._shown = table.shown
        for name in KNOWN_HEADERS:
            self._place(name, rules)
        for name, header in rules.variables.items():
            self.variables[name] = self._only(name, [header])
        self._missing(rules)
        self.fill_down = {self._filled(name) for name in rules.fill_down}

    def _problem(self, text):
        self.problems.append(Problem(self._shown, self.header_row, text))

    def _place(self, name, rules):
        named = rules.columns.get(name)
        wanted = [named] if named else KNOWN_HEADERS[name]
        found = self._only(name, wanted, required=bool(named))
        if found is not None:
            self.fields[name] = found

    def _only(self, name, wanted, required=True):
        keys = {header_key(header) for header in wanted}
        found = [index for index, key in enumerate(self._keys) if key and key in keys]
        if len(found) > 1:
            headers = ", ".join(self.headers[index] for index in found)
            self._problem("two columns for %s (%s): say which under columns:" % (name, headers))
        elif not found and required:
            self._problem("no column %r (for %s)" % (wanted[0], name))
        return found[0] if found else None

    def _missing(self, rules):
        absent = [
            name
            for name in REQUIRED
            if name not in self.fields and name not in rules.defaults and name not in rules.columns
        ]
        for name in absent:
            self._problem(
                "no column for %s; headers found: %s; name it under columns: (and see header_row)"
                % (name, ", ".join(filter(None, self.headers))[:200])
            )
        parts = {key for _text, key, _spec, _conv in template_parts(rules.host_name) if key}
        gone = parts - set(self.fields) - set(rules.defaults) - set(absent)
        if "name" not in self.fields and gone:
            self._problem(
                "no column for the host name, nor for %s, of which host_name makes it"
                % ", ".join(sorted(gone))
            )

    def _filled(self, name):
        if name in self.fields:
            return self.fields[name]
        return self._only("fill_down", [name])


def _header(table, rules):
    for number, cells in table.rows:
        if number == rules.header_row or (not rules.header_row and _text_in(cells)):
            return number, cells
    return rules.header_row or 1, []


def _text_in(cells):
    return any(str(cell).strip() for cell in cells)


# --- all rows ---------------------------------------------------------------------------------


class Estate:
    """Collects devices and problems over all files; `devices` counts only without problems."""

    def __init__(self, rules, zone_known):
        self.rules = rules
        self.devices = []
        self.problems = []
        self._zone_known = zone_known
        self._seen = {}  # (what, value) -> place, of everything that may exist once
        self._agreed = {}  # (what, key) -> (value, place), of everything that must agree

    def add(self, table):
        """All rows of one table."""
        layout = Layout(table, self.rules)
        self.problems.extend(layout.problems)
        if layout.problems:
            return  # every row would repeat it
        above = {}
        for number, cells in table.rows:
            if number > layout.header_row and _text_in(cells):
                self._row(_Row(table, number, cells, layout, above))

    def _row(self, row):
        values = row.values(self.rules)
        name = self._host_name(values, row)
        self._once(name, values, row)
        self._agree(values, row)
        if row.problems:
            self.problems.extend(row.problems)
            return
        self.devices.append(Device(name, _variables(values, row), _groups(values), row.place))

    def _host_name(self, values, row):
        if values.get("name"):
            name = values["name"]
        elif row.problems:
            return ""
        else:
            name = self._composed(values, row)
        if name and not _HOST.fullmatch(name):
            row.problem("host name %r: only letters, digits, '.', '-' and '_'" % name)
        return name

    def _composed(self, values, row):
        template = self.rules.host_name
        empty = [
            key for _text, key, _spec, _conv in template_parts(template)
            if key and not values.get(key)
        ]  # fmt: skip
        if empty:
            row.problem("%s: empty, but the host name is made of it" % ", ".join(empty))
            return ""
        try:
            return template.format(**values)
        except (ValueError, KeyError, IndexError) as error:
            row.problem("host_name %r does not fit: %s" % (template, error))
            return ""

    def _once(self, name, values, row):
        keys = [("host name", name), ("ci", values["ci"]), ("address", values["address"])]
        for what, value in keys:
            if not value:
                continue
            first = self._seen.setdefault((what, value.casefold()), row.place)
            if first != row.place:
                row.problem("%s %s is also at %s" % (what, value, first))
        zone = values.get("tz")
        if zone and not self._zone_known(zone):
            row.problem("tz: unknown time zone %r (like Asia/Shanghai)" % zone)

    def _agree(self, values, row):
        """A store lies in one region, and different names never share a group."""
        region, code = values["region"], values["region_code"]
        if region and values["store"]:
            self._must_agree("store %s is in region" % values["store"], region, row)
        if region and code:
            self._must_agree("region %s has code" % region, code, row)
        for kind, text in _group_sources(values):
            label = "group %s stands for %s" % (group_name(kind, text), kind)
            self._must_agree(label, region if kind == "region" else text, row)

    def _must_agree(self, label, value, row):
        first, place = self._agreed.setdefault(label.casefold(), (value, row.place))
        if first != value:
            text = "%s %r here and %r at %s: they cannot both be"
            row.problem(text % (label, value, first, place))


class _Row:
    """One row on its way: its cells by field, and its problems."""

    def __init__(self, table, number, cells, layout, above):
        self.table, self.number, self.cells, self.layout = table, number, cells, layout
        self.place = "%s:%d" % (table.shown, number)
        self.problems = []
        self.extra = {}
        self._above = above

    def problem(self, text):
        self.problems.append(Problem(self.table.shown, self.number, text))

    def values(self, rules):
        """Field -> text; complaints about cells go to `problems`."""
        width = len(self.layout.headers)
        if any(str(cell).strip() for cell in self.cells[width:]):
            self.problem("%d cells under %d headers (an unquoted delimiter?)"
                         % (len(self.cells), width))  # fmt: skip
        found = {}
        for name in KNOWN_HEADERS:
            try:
                found[name] = self._value(name, rules)
            except BadCell as bad:
                self.problem(str(bad))
                found[name] = ""
        for name, index in self.layout.variables.items():
            try:
                self.extra[name] = extra_value(self._raw(index, name), name)
            except BadCell as bad:
                self.problem(str(bad))
        return found

    def _value(self, name, rules):
        index = self.layout.fields.get(name)
        text = "" if index is None else cell_text(self._raw(index, name), name, rules)
        if not text:
            text = str(rules.defaults.get(name, ""))
        if not text and (name in REQUIRED or (name == "address" and index is not None)):
            raise BadCell("%s: empty" % name)
        return address(text) if name == "address" and text else text

    def _raw(self, index, name):
        value = self.cells[index] if index < len(self.cells) else ""
        empty = value is None or (isinstance(value, str) and not value.strip())
        reason = self.table.lost.get((self.number, index)) if empty else None
        if empty and index in self.layout.fill_down and index in self._above:
            if reason is None or reason.startswith("merged"):
                return self._above[index]
        if reason:
            hint = "; list the column under fill_down" if reason.startswith("merged") else ""
            raise BadCell("%s: empty, %s%s" % (name, reason, hint))
        if not empty:
            self._above[index] = value
        return "" if value is None else value


def _variables(values, row):
    found = {name: value for name, value in row.extra.items() if value != ""}
    for name in ("store", "region", "role", "ci", "tier", "tz", "hours"):
        if values[name]:
            found["sw_" + name] = values[name]
    if values["failure_groups"]:
        parts = [part.strip() for part in _SPLIT.split(values["failure_groups"])]
        found["sw_failure_groups"] = [part for part in parts if part and part not in _NONE]
    if values["address"]:
        found["ansible_host"] = values["address"]
    return found


def _group_sources(values):
    named = dict(values, region=values["region_code"] or values["region"])
    for kind in ("region", "store", "role", "tier"):
        if named[kind]:
            yield kind, named[kind]


def _groups(values):
    return tuple(group_name(kind, text) for kind, text in _group_sources(values))
