#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory script: the hosts of the running lab.

The list depends on how the lab was started, so it is read from the lab's own state when Ansible
asks. STOREWARDEN_LAB_NAME chooses another lab than `lab`, STOREWARDEN_LAB_STATE where labs are
kept. A lab that is not up is an error in one line, not an empty inventory.
"""

import json
import os
import sys
from pathlib import Path


def main():
    """Print the inventory Ansible asks a script for with --list."""
    name = os.environ.get("STOREWARDEN_LAB_NAME") or "lab"
    root = Path(os.environ.get("STOREWARDEN_LAB_STATE") or "/var/lib/storewarden-lab")
    path = root / name / "inventory.json"
    try:
        inventory = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        sys.exit(f"lab {name!r} is not up (no {path}): start it with `make lab`")
    except (OSError, ValueError) as error:
        sys.exit(f"{path}: {error}; take the lab down and up again")
    json.dump(inventory, sys.stdout)


if __name__ == "__main__":
    main()
