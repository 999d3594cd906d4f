# SPDX-License-Identifier: GPL-3.0-or-later
"""Payloads, asked of the collection's own reader, which plain ansible-playbook uses as well."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import cast

from storewarden.adapters.ansible import collection, environment
from storewarden.domain.errors import AdapterError, ConfigInvalid, ContentMissing
from storewarden.domain.rollout.spec import PayloadClass, Reversibility, Soak, Timing
from storewarden.ports.payloads import PayloadAbout

_READER = Path("plugins") / "plugin_utils" / "payload_meta.py"
_TIMEOUT = 30.0  # seconds; it reads one small file
_BAD_INPUT = 2  # the reader's exit status for a name that nobody has, or a broken file

type _Raw = Mapping[str, object]


class InstalledPayloads:
    """The Payloads port over the collection that was installed with this package.

    ``directory`` names another copy, for tests of a built collection.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory

    def about(self, name: str) -> PayloadAbout:
        """One payload. Raises ConfigInvalid, ContentMissing, AdapterError."""
        reader = (self._directory or collection.directory()) / _READER
        if not reader.is_file():
            raise ContentMissing("the collection has no reader of payloads", where=str(reader))
        places = environment.site_roles(environment.site_config())  # a site's own payloads
        roles = [word for place in places for word in ("--roles", place)]
        document = _asked([sys.executable, str(reader), "--json", *roles, "--", name])
        try:
            return _about(name, cast("_Raw", document[name]))
        except (KeyError, TypeError, ValueError) as error:
            raise AdapterError(
                f"the reader of payloads answered with an unexpected document: {error!r}",
                where=str(reader),
            ) from error


def _asked(command: list[str]) -> _Raw:
    """The reader's document. Its one line on stderr is the error."""
    try:
        done = subprocess.run(
            command,
            env=environment.base(environment.bin_directory()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise AdapterError("the reader of payloads did not answer", where=command[1]) from error
    said = " ".join(done.stderr.decode(errors="replace").split())
    if done.returncode == _BAD_INPUT:
        raise ConfigInvalid(said or "the payload could not be read")
    if done.returncode != 0:
        raise AdapterError(f"the reader of payloads failed: {said[-300:]}", where=command[1])
    try:
        return cast("_Raw", json.loads(done.stdout))
    except ValueError as error:
        raise AdapterError("the reader of payloads printed no JSON", where=command[1]) from error


def _about(name: str, raw: _Raw) -> PayloadAbout:
    soak = _spans(raw["soak"])
    return PayloadAbout(
        name=name,
        payload_class=PayloadClass(str(raw["class"])),
        reversibility=Reversibility(str(raw["reversibility"])),
        operation=str(raw["operation"]),
        soak=Soak(wall=soak["wall"], trading=soak.get("trading", timedelta(0))),
        timing=Timing(**_spans(raw["timing"])),
        waves=tuple(str(word) for word in cast("list[object]", raw["waves"])),
        summary={key: str(text) for key, text in cast("_Raw", raw["summary"]).items()},
        lock=bool(raw["lock"]),
        reboots=bool(raw["reboots"]),
    )


def _spans(raw: object) -> dict[str, timedelta]:
    given = cast("Mapping[str, float]", raw)
    return {key: timedelta(seconds=value) for key, value in given.items()}
