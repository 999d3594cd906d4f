# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Signed libraries of rules and signatures in the folder from which a service reads them.

The record of what lies there is /var/lib/storewarden/content/NAME.json; without it nobody could
tell an old library that is sent again from a new one.
"""

from __future__ import annotations
