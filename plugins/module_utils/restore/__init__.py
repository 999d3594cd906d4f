# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The restore point: what a host needs to take a change back by itself.

These files are sent to the host by Ansible and also copied into every pack, from where the
system's own Python runs them when nobody is there to help. So: the standard library only, syntax
of Python 3.9, and imports relative to this folder, because in a pack it has another name.
"""

from __future__ import annotations
