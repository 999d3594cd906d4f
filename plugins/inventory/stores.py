# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The estate of a chain of stores, from the CSV and XLSX files that people keep it in."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stores
short_description: Stores and their devices from CSV and XLSX files
version_added: "0.1.0"
author:
  - The storewarden developers (@storewarden)
description:
  - Builds an inventory from tables with one row per device, as retail people keep them.
  - CSV may be UTF-8 with or without a byte order mark, UTF-16 with one, or GB18030, separated by
    comma, semicolon or tab. XLSX needs the Python package C(python-calamine) on the controller.
  - All duplicates and bad rows of all files are listed at once, with file and row, and nothing
    is loaded unless everything can be.
  - Each device becomes a host with the variables C(sw_store), C(sw_region), C(sw_role), C(sw_ci),
    C(sw_tier), C(sw_failure_groups), C(sw_tz), C(sw_hours) and C(ansible_host), in the groups
    C(region_<region>), C(store_<store>), C(role_<role>) and C(tier_<tier>).
  - In group names, letters and digits of any script stay, so C(华东) becomes C(region_华东);
    everything else becomes C(_). Names that would share a group although they differ are an
    error. A column C(region_code) gives plain group names such as C(region_hd).
  - Text of the files is data. Template expressions in it are never evaluated.
notes:
  - The file must be called C(stores.yml), C(stores.yaml), or end in C(.stores.yml) or
    C(.stores.yaml).
options:
  plugin:
    description: The name of this plugin.
    required: true
    choices: [storewarden.ops.stores]
  files:
    description:
      - CSV and XLSX files, relative to this file. C(*) and C(?) stand for parts of a name; a
        pattern that matches nothing is an error.
    type: list
    elements: str
    required: true
  sheet:
    description: >-
      Name of the sheet in XLSX files, or its number from 1.
      The first sheet that is not hidden when left out; then a second one with the same headers
      is an error.
    type: str
  header_row:
    description:
      - Row with the headers, from 1. 0 takes the first row that is not empty.
    type: int
    default: 0
  columns:
    description:
      - Which header means which field, for headers that are not known by themselves. Fields are
        V(store), V(region), V(region_code), V(role), V(ci), V(address), V(name) (of the host),
        V(number) (of the device in its store), V(tier), V(failure_groups), V(tz), V(hours).
      - Usual Chinese and English headers are known, such as 门店编号, 区域, 设备编号, IP, 角色,
        机号, 等级, 故障组, 时区, 营业时间, and store, region, ci, address, role, number, tier.
      - V(store), V(region), V(role) and V(ci) must be there and filled in each row; so must
        V(address) when there is such a column.
    type: dict
    default: {}
  variables:
    description: Further host variables, each with the header of its column. Never secrets.
    type: dict
    default: {}
  values:
    description:
      - Per field, what texts of the file stand for. For V(tier), 核心 and 普通 are known.
    type: dict
    default: {}
  defaults:
    description: Per field, the value of empty cells and absent columns.
    type: dict
    default: {}
  store_width:
    description:
      - How many digits a store id has. With it, ids that the spreadsheet holds as numbers get
        their zeros back (1 becomes 000001). Without it such a cell is an error, because nobody
        can know how many zeros were lost.
    type: int
    default: 0
  id_width:
    description: The same for O(columns) V(ci).
    type: int
    default: 0
  fill_down:
    description:
      - Fields (or headers) whose empty cells take the value above, as in tables with merged
        cells. In other columns an empty cell of a merged range is an error.
    type: list
    elements: str
    default: []
  host_name:
    description:
      - How a host is called when there is no column for it. Fields stand in braces, with a
        format where wanted.
    type: str
    default: "{role}{number:0>2}.{store}"
extends_documentation_fragment:
  - constructed
"""

EXAMPLES = r"""
# stores.yml beside stores.csv with the headers 门店编号,区域,角色,机号,设备编号,IP
plugin: storewarden.ops.stores
files: [stores.csv]
store_width: 6
values:
  role: {收银机: pos, 门店服务器: server}
defaults:
  tz: Asia/Shanghai
  hours: "10:00-22:00"
  tier: ordinary
---
# A workbook with merged region cells, own headers, and one more variable and group
plugin: storewarden.ops.stores
files: ["regions/*.xlsx"]
sheet: Devices
columns: {store: Filiale, name: Rechner}
fill_down: [region, store]
variables: {sim_number: SIM}
keyed_groups:
  - {prefix: shop, key: sw_tz}
"""

import glob
import os
import zoneinfo

from ansible.errors import AnsibleParserError
from ansible.module_utils.common.text.converters import to_native
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable

from ansible_collections.storewarden.ops.plugins.plugin_utils.estate_cells import (
    OWN_TIER_WORDS,
    Rules,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.estate_files import (
    FileUnreadable,
    read_table,
)
from ansible_collections.storewarden.ops.plugins.plugin_utils.estate_rows import (
    Estate,
    Problem,
)

_LISTED = 50  # problems shown; what matters is in the first ones, and a log line has an end


class InventoryModule(BaseInventoryPlugin, Constructable):
    """All files are read and judged before the first host is added."""

    NAME = "storewarden.ops.stores"

    def verify_file(self, path):
        """True for stores.yml and *.stores.yml."""
        name = os.path.basename(path)
        ours = name in ("stores.yml", "stores.yaml") or name.endswith(
            (".stores.yml", ".stores.yaml")
        )
        return ours and super().verify_file(path)

    def parse(self, inventory, loader, path, cache=True):
        """Fill `inventory`; AnsibleParserError with one line per problem, and nothing loaded."""
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        self._refuse_unknown(config)
        devices = self._devices(os.path.dirname(os.path.abspath(path)))
        known = set(self.inventory.hosts)
        try:
            for device in devices:
                self._add(device)
        except Exception:
            for name in set(self.inventory.hosts) - known:
                self.inventory.remove_host(self.inventory.hosts[name])
            raise

    def _refuse_unknown(self, config):
        unknown = sorted(set(config) - set(self._options) - {"plugin"})
        if unknown:
            raise AnsibleParserError("unknown option: %s" % ", ".join(unknown))

    def _rules(self):
        values = {
            name: {str(text): str(value) for text, value in dict(table or {}).items()}
            for name, table in self.get_option("values").items()
        }
        values["tier"] = dict(OWN_TIER_WORDS, **values.get("tier", {}))
        return Rules(
            columns=self.get_option("columns"),
            variables=self.get_option("variables"),
            values=values,
            defaults=self.get_option("defaults"),
            widths={"store": self.get_option("store_width"), "ci": self.get_option("id_width")},
            fill_down=self.get_option("fill_down"),
            header_row=self.get_option("header_row"),
            host_name=self.get_option("host_name"),
        )

    def _devices(self, folder):
        rules = self._rules()
        complaints = list(rules.complaints())
        if complaints:
            raise AnsibleParserError("\n".join(complaints))
        zones = zoneinfo.available_timezones()
        estate = Estate(rules, zones.__contains__)
        sheet = self.get_option("sheet")
        for path in self._paths(folder, estate.problems):
            shown = os.path.relpath(path, folder)
            try:
                estate.add(read_table(path, shown, sheet, self.get_option("header_row")))
            except FileUnreadable as error:
                estate.problems.append(Problem(shown, 0, str(error)))
        if not estate.problems and not estate.devices:
            estate.problems.append(Problem("files", 0, "hold no devices"))
        if estate.problems:
            raise AnsibleParserError(_listing(estate.problems))
        return estate.devices

    def _paths(self, folder, problems):
        """Each file once, in the order given; Excel's lock files (~$...) left out."""
        found = {}
        for pattern in self.get_option("files"):
            full = os.path.join(folder, os.path.expanduser(pattern))
            paths = [full] if os.path.exists(full) else sorted(glob.glob(full))
            paths = [path for path in paths if not os.path.basename(path).startswith("~$")]
            if not paths:
                problems.append(Problem(pattern, 0, "no such file beside the inventory file"))
            found.update(dict.fromkeys(paths))
        return found

    def _add(self, device):
        if device.name in self.inventory.groups or set(device.groups) & set(self.inventory.hosts):
            raise AnsibleParserError(
                "%s: %s is the name of a host and of a group" % (device.place, device.name)
            )
        self.inventory.add_host(device.name)
        for name, value in device.variables.items():
            self.inventory.set_variable(device.name, name, value)
        for group in device.groups:
            if group not in self.inventory.groups:
                self.inventory.add_group(group)
            self.inventory.add_child(group, device.name)
        self._construct(device)

    def _construct(self, device):
        strict = self.get_option("strict")
        options = [self.get_option(name) for name in ("compose", "groups", "keyed_groups")]
        if not any(options):
            return  # 3,000 devices would pay for looking up their variables
        compose, groups, keyed = options
        name = device.name
        self._set_composite_vars(compose, device.variables, name, strict=strict)
        variables = self.inventory.get_host(name).get_vars()
        self._add_host_to_composed_groups(groups, variables, name, strict=strict)
        self._add_host_to_keyed_groups(keyed, variables, name, strict=strict)


def _listing(problems):
    shown = [to_native(str(problem)) for problem in problems[:_LISTED]]
    if len(problems) > _LISTED:
        shown.append("and %d more" % (len(problems) - _LISTED))
    head = "nothing was loaded, %d problem%s:" % (len(problems), "s" if len(problems) > 1 else "")
    return "\n".join([head, *shown])
