# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one header and one cell of a spreadsheet mean.

The rule: a cell is text, or it is refused. What a spreadsheet made of an id (a number without
its zeros, a date, 1.2E+11) cannot be undone unless the width of such ids was declared.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
import string
import unicodedata
from dataclasses import dataclass, field

# Field -> headers that mean it, compared without case, spaces, `_`, `-` and `*`.
KNOWN_HEADERS = {
    "store": (
        "store", "store id", "store no", "store number", "store code", "shop", "shop id",
        "门店编号", "门店编码", "门店代码", "门店号", "门店ID", "店号", "店铺编号",
    ),
    "region": ("region", "area", "区域", "区域名称", "所属区域", "大区", "地区"),
    "region_code": ("region code", "area code", "区域编码", "区域代码", "区域编号", "大区编码"),
    "role": ("role", "device role", "device type", "角色", "设备角色", "设备类型"),
    "ci": (
        "ci", "ci id", "configuration item", "asset", "asset id", "asset no", "asset tag",
        "设备编号", "设备编码", "资产编号", "资产编码", "配置项", "配置项编号",
    ),
    "address": (
        "ip", "ip address", "address", "ansible host", "management ip", "mgmt ip",
        "IP地址", "管理IP", "管理地址", "设备IP",
    ),
    "name": ("hostname", "host", "host name", "inventory hostname", "主机名", "主机名称", "设备名"),
    "number": ("number", "device number", "terminal", "terminal no", "lane", "till", "pos no",
               "机号", "POS机号", "款台号", "收银台号"),
    "tier": ("tier", "importance", "等级", "级别", "重要性", "重要等级"),
    "failure_groups": ("failure groups", "failure group", "故障组", "互斥组"),
    "tz": ("tz", "timezone", "time zone", "时区"),
    "hours": ("hours", "opening hours", "business hours", "营业时间", "营业时段"),
}  # fmt: skip
REQUIRED = ("store", "region", "role", "ci")
IDS = ("store", "ci")  # whose leading zeros count
OWN_TIER_WORDS = {"核心": "core", "普通": "ordinary", "一般": "ordinary"}

_DNS = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"ansible_.*(pass|password|passwd)$")
_DIGITS_LOST = 10**15  # a spreadsheet keeps 15 digits of a number
_WIDTH_OPTION = {"store": "store_width", "ci": "id_width"}


@dataclass
class Rules:
    """The plugin's options, as plain data."""

    columns: dict = field(default_factory=dict)  # field -> header
    variables: dict = field(default_factory=dict)  # variable -> header
    values: dict = field(default_factory=dict)  # field -> {text in the file: value}
    defaults: dict = field(default_factory=dict)  # field -> value of an empty cell
    widths: dict = field(default_factory=dict)  # field -> digits of an id
    fill_down: list = field(default_factory=list)
    header_row: int = 0  # 0 = the first row that is not empty
    host_name: str = "{role}{number:0>2}.{store}"

    def complaints(self):
        """What is wrong with the options themselves, one line each."""
        for option in ("columns", "values", "defaults"):
            for name in getattr(self, option):
                if name not in KNOWN_HEADERS:
                    yield "%s: unknown field %r; known: %s" % (
                        option, name, ", ".join(KNOWN_HEADERS))  # fmt: skip
        for name in self.variables:
            if not _VARIABLE.fullmatch(name) or name.startswith("sw_"):
                yield "variables: %r cannot be set from a column" % name
            elif _SECRET.match(name):
                yield "variables: %s: a secret does not belong in a spreadsheet; use a vault" % name
        for literal, name, _format, _conversion in template_parts(self.host_name):
            if name is not None and name not in KNOWN_HEADERS:
                yield "host_name: unknown field {%s} after %r" % (name, literal)


def template_parts(template):
    try:
        return list(string.Formatter().parse(template))
    except ValueError:
        return [(template, "", "", None)]


def header_key(text):
    """Headers are the same when this is the same."""
    return re.sub(r"[\s_*-]", "", unicodedata.normalize("NFKC", str(text))).casefold()


def group_name(kind, text):
    """`region_华东`: letters and digits of any script stay (Ansible allows them), others = `_`."""
    return "%s_%s" % (kind, re.sub(r"\W", "_", text))


class BadCell(Exception):
    """The text says what is wrong with the cell."""


def cell_text(value, name, rules):
    """The cell as text; BadCell when the spreadsheet made something else of it."""
    if isinstance(value, bool):
        raise BadCell("%s: is TRUE/FALSE; format the column as text" % name)
    if isinstance(value, (int, float)):
        text = _number_text(value, name, rules)
    elif isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        raise BadCell("%s: the spreadsheet made a date or time of it (%s); format the column "
                      "as text and type it again" % (name, value))  # fmt: skip
    else:
        text = unicodedata.normalize("NFKC", value).strip().strip("\ufeff\u200b").strip()
    odd = () if text.isprintable() else _invisible(text)
    if odd and not (name == "hours" and set(odd) <= {"\n", "\r"}):
        raise BadCell("%s: %r holds a line break or an invisible character" % (name, text))
    if name in IDS and text:
        text = _id_text(text, name, rules.widths.get(name))
    return rules.values.get(name, {}).get(text, text)


def _invisible(text):
    return [letter for letter in text if unicodedata.category(letter) in ("Cc", "Cf")]


def _number_text(value, name, rules):
    whole = int(value) if value == int(value) else None
    if name == "number" and whole is not None:
        return str(whole)
    if name in IDS and rules.widths.get(name) and whole is not None and 0 <= whole < _DIGITS_LOST:
        return str(whole)
    if name in IDS:
        text = "%s: %s is a number, its leading zeros may be lost; format the column as text or "
        raise BadCell((text + "declare %s") % (name, _plain(value), _WIDTH_OPTION[name]))
    raise BadCell("%s: %s is a number; format the column as text" % (name, _plain(value)))


def _plain(value):
    return str(int(value)) if value == int(value) else str(value)


def _id_text(text, name, width):
    if re.fullmatch(r"\d(?:\.\d+)?E\+?\d+", text, re.IGNORECASE):
        raise BadCell("%s: %s has lost digits to the spreadsheet; format the column as text"
                      % (name, text))  # fmt: skip
    decimal = re.fullmatch(r"(\d+)\.0+", text)
    if decimal and not width:
        raise BadCell("%s: %s was a number, its leading zeros may be lost; declare %s"
                      % (name, text, _WIDTH_OPTION[name]))  # fmt: skip
    digits = decimal.group(1) if decimal else text
    if not width or not digits.isdigit():
        return digits
    if len(digits) > width:
        raise BadCell("%s: %s has more than %d digits" % (name, digits, width))
    return digits.zfill(width)


def address(text):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if _DNS.fullmatch(text) and ".." not in text:
            return text
    raise BadCell("address: %r is neither an IP address nor a host name" % text)


def extra_value(value, name=""):
    """A column of the site's own: numbers stay numbers, dates become ISO text."""
    if name == "ansible_port" and value != "":
        return _port(value)
    if isinstance(value, float) and value == int(value):
        return int(value)
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta)):
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    return value.strip() if isinstance(value, str) else value


def _port(value):
    text = str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
    if re.fullmatch(r"[0-9]{1,5}", text.strip()) and 1 <= int(text) <= 65535:
        return int(text)
    raise BadCell("ansible_port: %s is not a port (1-65535)" % text)
