# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.scanner HOST [SCRIPT ...]``: one host of a running lab, both verdicts.

The lab is the one of STOREWARDEN_LAB_NAME; the scripts are run on the host first, as root.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.lab.fleet import Lab
from tests.scanner.sides import HARDENED, look


def main(name: str, *scripts: str) -> None:
    """Print a line per overlapping control, then how often the scanner gave each result."""
    lab = Lab()
    host = lab.host(name)
    for script in scripts:
        host.run("sh -eu", input=Path(script).read_text(), user="root")
    with tempfile.TemporaryDirectory() as folder:
        rows, counted = look(lab, host, Path(folder), HARDENED if scripts else {})
    for row in rows:
        results = ", ".join(f"{rule}={result}" for rule, result in row.rules.items())
        print(f"{row.control} {row.ours:6} {row.kind:9} {results}")
    print(counted)


main(*sys.argv[1:])
