# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a file is what somebody signed, told by OpenPGP or minisign signatures beside it.

The same code runs on the controller, before anything is copied, and on the host, before anything
is put in place. Nothing here signs, and nothing here is secret.
"""

from __future__ import annotations
