# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups on the host: taken, copied, verified, rehearsed, restored and removed.

One order in, one report out, both JSON (docs/reference/backup-job.md). The package uses the
system's Python alone and imports nothing from outside of itself: a job that outlives the
connection runs it from a zip file.
"""

from __future__ import annotations
