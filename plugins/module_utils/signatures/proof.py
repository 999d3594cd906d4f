# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a good signature proves."""

from __future__ import annotations

from typing import NamedTuple


class Proof(NamedTuple):
    """``kind`` is gpg or minisign; ``key`` the signing key's fingerprint or id; ``signed_at`` the
    time that was signed with it, in seconds since 1970 (0: none); ``comment`` minisign's trusted
    comment."""

    kind: str
    key: str
    signed_at: int
    comment: str
