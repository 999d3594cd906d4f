# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Faults that are made on purpose, and how a host takes each of them back by itself.

Sent to the host by Ansible: the standard library only, syntax of Python 3.9.
"""

from __future__ import annotations
