# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a lab host: the steps of a package change, as the modules of payload_packages make them.

One JSON document on standard input: ``{archive, steps}``; ``archive`` is the collection's part for
hosts as a base64 zip file. One JSON list on standard output, an answer per step. A step is
``{sh}``, ``{state, request}`` (a word to the restore point), ``{preflight: {wish, lock, ...}}``,
``{job: {wish, lock, id, wait}}`` (starts it and, with ``await``, sees its end), ``{restart}`` or
``{verify: {wish, lock, point}}``. Standard library only, for the host's own Python.
"""

from __future__ import annotations

import base64
import importlib
import json
import subprocess
import sys
import tempfile

_UTILS = "ansible_collections.storewarden.ops.plugins.module_utils."
STAGE = "/var/cache/storewarden/"


def main() -> None:
    work = json.load(sys.stdin)
    with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".zip") as archive:
        archive.write(base64.b64decode(work["archive"]))
        archive.flush()
        # Imported from the archive, as Ansible does it.
        sys.path.insert(0, archive.name)
        json.dump([_answered(step) for step in work["steps"]], sys.stdout)


def _answered(step: dict) -> dict:
    if "sh" in step:
        # Not our own streams: what a script leaves running would hold the line open.
        done = subprocess.run(  # noqa: PLW1510
            ["sh", "-c", step["sh"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=600.0,
        )
        return {"out": done.stdout.decode("utf-8", "replace"), "status": done.returncode}
    if "state" in step:
        return _said(step)
    for word, act in (("preflight", _preflight), ("job", _job), ("verify", _verify)):
        if word in step:
            return _reasoned(act, step[word])
    return _reasoned(_restart, step["restart"])


def _part(name: str) -> object:
    return importlib.import_module(_UTILS + name)


def _host() -> object:
    return _part("restore.system").Host()


def _reasoned(act: object, given: dict) -> dict:
    try:
        return act(given)
    except _part("packages.failures").PackageError as no:
        return {"refused": no.en, "zh": no.zh}


def _said(step: dict) -> dict:
    verbs = _part("restore.verbs")
    failures = _part("restore.failures")
    request = verbs.Request(**step["request"])
    try:
        answer = getattr(verbs.Verbs(_host()), step["state"])(request)
    except (failures.RestoreError, OSError) as error:
        return {"failed": True, "text": str(error), "report": getattr(error, "report", {})}
    return {"failed": False, **answer._asdict()}


def _backend(given: dict) -> object:
    if given.get("system") == "dnf":
        return _part("packages.dnf").Dnf(_host(), STAGE + given.get("point", "rp"))
    return _part("packages.backend").found_on(_host(), STAGE + given.get("point", "rp"))


def _preflight(given: dict) -> dict:
    preflight = _part("packages.preflight")
    wish = _part("packages.wish").read(given["wish"])
    terms = preflight.Terms(
        given.get("lock") or {}, given.get("patience", 600.0), given.get("reboot", "if-needed")
    )
    return preflight.look(_backend(given), wish, terms)


def _job(given: dict) -> dict:
    backend = _backend(given)
    wish = _part("packages.wish").read(given["wish"])
    lock = _part("packages.transaction").checked_lock(given["lock"], backend.system)
    found = _part("packages.preflight").exact(backend, wish, lock)
    digests = {move.name: lock["packages"][move.name]["sha256"] for move in found.coming}
    argv = backend.transaction(found, digests, bool(backend.interrupted()))
    jobs = _part("payload.jobs")
    work = jobs.Jobs(_host())
    order = jobs.Order(id=given["point"], argv=argv, environment={}, wait=given.get("wait", 60.0))
    _changed, job = work.started(order)
    return work.awaited(given["point"], given["await"]) if given.get("await") else job


def _restart(given: dict) -> dict:
    return _part("packages.restarts").restarted(_host(), given.get("mode", "auto"))


def _verify(given: dict) -> dict:
    verifying = _part("packages.verifying")
    wish = _part("packages.wish").read(given["wish"])
    before = verifying.Before(given["point"], given.get("settle", 0.7))
    probes = verifying.probes(_backend(given), wish, given["lock"], before)
    return {"bad": {one["name"]: one["detail"]["en"] for one in probes if not one["ok"]}}


if __name__ == "__main__":
    main()
