# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases of an application side by side in one folder, and a link to the one in use.

ROOT/current -> releases/VERSION      what the service runs
ROOT/releases/VERSION/                one folder per release, never changed again
ROOT/releases/.VERSION.json           what the archive held, file by file with digests
ROOT/releases/.VERSION.new/           a release that is being unpacked
"""

from __future__ import annotations
