# SPDX-License-Identifier: GPL-3.0-or-later
"""``python tools/chapters/till_version.py LAB VERSION STATUS``: a version of the tour's till.

It is a real Debian package with a systemd service that answers HTTP on port 8088. ``STATUS`` is
what it answers when something is to be sold: 200 sells, 500 does not, though the service runs.
"""

from __future__ import annotations

import sys
from pathlib import Path

# The tour runs in a checkout; its lab is no installed package.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lab import repository
from tests.lab.fleet import Lab

PROGRAM = """\
#!/usr/bin/python3
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Till(BaseHTTPRequestHandler):
    def do_GET(self):
        status = {status} if self.path == "/sell" else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"till {version}\\n")


if sys.argv[1:] == ["--version"]:
    print("{version}")
else:
    ThreadingHTTPServer(("", 8088), Till).serve_forever()
"""


def main(name: str, version: str, status: str) -> None:
    """Build it, put it into the lab's repository, publish that."""
    lab = Lab(name)
    program = PROGRAM.format(status=int(status), version=version)
    root = lab.places.repository
    built = repository.build(
        root / "build",
        repository.PACKAGE,
        version,
        repository.Flavour(program=program, fields={"Depends": "python3"}),
    )
    repository.add(root, built)
    lab.request("publish")


if __name__ == "__main__":
    main(*sys.argv[1:])
