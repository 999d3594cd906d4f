# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lies on a host before it is put in place: archives, whether they are fit, unpacking them.

Used by the payloads "release" and "content". The standard library only, Python 3.9.
"""

from __future__ import annotations
