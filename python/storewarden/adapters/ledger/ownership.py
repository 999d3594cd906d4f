# SPDX-License-Identifier: GPL-3.0-or-later
"""Root works for the service: what root makes here, the service must be able to open."""

from __future__ import annotations

import os
from pathlib import Path


def leave_to_owner(path: Path, like: Path) -> None:
    """Give ``path`` to whom ``like`` belongs, when we are root; else it is ours to stay.

    Raises OSError.
    """
    if os.geteuid() == 0:
        owner = like.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
