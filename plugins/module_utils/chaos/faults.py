# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All faults by name. They are named one by one: only what is imported is sent to a host."""

from __future__ import annotations

from ansible_collections.storewarden.ops.plugins.module_utils.chaos.cut_link import CutLink
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.delay_link import DelayLink
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.drop_dns import DropDns
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.fill_disk import FillDisk
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.kill_process import KillProcess
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.lose_packets import LosePackets
from ansible_collections.storewarden.ops.plugins.module_utils.chaos.stop_unit import StopUnit

FAULTS = {
    fault.name: fault
    for fault in (
        KillProcess(),
        StopUnit(),
        FillDisk(),
        CutLink(),
        LosePackets(),
        DropDns(),
        DelayLink(),
    )
}
"""Name -> fault."""
