# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixes of controls on the host: what would change, what may be touched, and the change itself.

One file per kind of fix, ``kind_<name>.py``, listed in ``kinds.py``. Nothing here decides whether
a fix may be made; that is done on the controller, and the restore point takes it back.
"""

from __future__ import annotations
