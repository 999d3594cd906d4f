# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit as it runs on the host: getters look, operators judge, the evaluator combines.

Everything here is sent to the host by Ansible, so it uses the standard library only and no
syntax newer than Python 3.9. It reads; it never writes.
"""

from __future__ import annotations
