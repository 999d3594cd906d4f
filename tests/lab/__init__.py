# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: real Debian hosts for tests and demonstrations, on this machine and nothing else.

A fake host agrees with whatever its author believed; systemd, sshd, apt and nft do not. So the
lab boots N Debian 12 hosts (systemd-nspawn over one cached tree, a private bridge each lab) in a
few seconds and throws them away again. Its rule: **a lab owns only what it can name** (its state
folder, its bridge with its mark, its control groups, its mounts), so a dead one can always be
removed, and nothing else on the machine is ever touched.

Command line: ``python -m tests.lab --help``. From Python: :class:`tests.lab.fleet.Lab`.
"""

from __future__ import annotations

from tests.lab.fleet import Lab, LabHost
from tests.lab.places import LabError

__all__ = ["Lab", "LabError", "LabHost"]
