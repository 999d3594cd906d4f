# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a lab host: words to its restore points, as the module would say them.

One JSON document on standard input: ``{archive, folder, steps}``; ``archive`` is the restore
package as a base64 zip file, a step is ``{state, request}`` or ``{sh}``, a script for the host's
shell. One JSON list on standard output, an answer per step: ``{changed, text, report}``, or with
``failed`` and ``refused``; of a script ``{out, status}``. Several steps in one visit leave no time
in between, however busy the machine is. Standard library only, for the host's own Python.
"""

from __future__ import annotations

import base64
import importlib
import json
import subprocess
import sys
import tempfile

_PACKAGE = "ansible_collections.storewarden.ops.plugins.module_utils.restore"


def main() -> None:
    work = json.load(sys.stdin)
    with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".zip") as archive:
        archive.write(base64.b64decode(work["archive"]))
        archive.flush()
        # Imported from the archive, as Ansible does it.
        sys.path.insert(0, archive.name)
        answers = [
            _ran(step["sh"]) if "sh" in step else _said(work["folder"], step)
            for step in work["steps"]
        ]
    json.dump(answers, sys.stdout)


def _ran(script: str) -> dict:
    # Not our own streams: what a script leaves running would hold the line open.
    done = subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, capture_output=True)  # noqa: PLW1510
    return {"out": done.stdout.decode("utf-8", "replace"), "status": done.returncode}


def _said(folder: str, step: dict) -> dict:
    verbs = importlib.import_module(_PACKAGE + ".verbs")
    failures = importlib.import_module(_PACKAGE + ".failures")
    host = importlib.import_module(_PACKAGE + ".system").Host()
    request = verbs.Request(**step["request"])
    try:
        answer = getattr(verbs.Verbs(host, folder), step["state"])(request)
    except failures.Refused as no:
        return {"failed": True, "refused": True, "text": str(no), "report": no.report}
    except (failures.RestoreError, OSError) as error:
        return {"failed": True, "refused": False, "text": str(error), "report": {}}
    return {"failed": False, "refused": False, **answer._asdict()}


if __name__ == "__main__":
    main()
