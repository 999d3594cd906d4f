# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding and reading `storewarden.yml`.

The first of these that exists: the path asked for, $STOREWARDEN_CONFIG, ./storewarden.yml,
/etc/storewarden/storewarden.yml. None of them is fine: every key has a default. A path that
somebody named must exist. Everything wrong is one line with file, line and key.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from storewarden.config.fields import Base
from storewarden.config.marked_yaml import MarkedYaml, Place, read_marked
from storewarden.config.site import SiteConfig
from storewarden.domain.errors import ConfigInvalid

FILE_NAME = "storewarden.yml"
SYSTEM_FILE = Path("/etc/storewarden") / FILE_NAME
_SYSTEM_STATE = Path("/var/lib/storewarden")
_LEDGER = "ledger.sqlite"
_NEAR_SECRETS = ("secrets", "vault", "notifications", "tickets", "healing", "backup")

_SAYS = {
    "extra_forbidden": "unknown key",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "model_type": "must be keys with values",
    "dict_type": "must be keys with values",
    "tuple_type": "must be a list, one entry per line after '- '",
}


def load_config(path: Path | None, environ: Mapping[str, str], cwd: Path) -> SiteConfig:
    """The settings of this site; ConfigInvalid with one line for what is wrong."""
    found = _find(path, environ, cwd)
    shown = found.name if found and found.parent == cwd else str(found)
    content = read_marked(found, shown) if found else MarkedYaml(data=None)
    return _checked(content, found, shown, environ, cwd)


def default_config(environ: Mapping[str, str], cwd: Path) -> SiteConfig:
    """The settings of a site that has no file."""
    return _checked(MarkedYaml(data=None), None, "", environ, cwd)


def _checked(
    content: MarkedYaml, found: Path | None, shown: str, environ: Mapping[str, str], cwd: Path
) -> SiteConfig:
    if content.data is not None and not isinstance(content.data, dict):
        raise ConfigInvalid("must be keys with values", where=f"{shown}:1")
    settings = _without_empty(content.data or {})
    if "source" in settings:
        raise _refusal(content, shown, ("source",), "unknown key", "")
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - a text, not a path
    settings.setdefault("state_dir", str(_default_state(environ, home)))
    if isinstance(settings["state_dir"], str):
        settings.setdefault("ledger", f"{settings['state_dir'].rstrip('/')}/{_LEDGER}")
    base = Base(folder=found.parent if found else cwd, home=home)
    try:
        return SiteConfig.model_validate(settings | {"source": found}, context=base)
    except ValidationError as error:
        raise _first(error, content, shown) from None  # its text would repeat every value


def _find(path: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    named = path or (Path(value) if (value := environ.get("STOREWARDEN_CONFIG")) else None)
    if named is not None:
        full = cwd / named.expanduser()
        if not full.is_file():
            origin = "--config" if path else "$STOREWARDEN_CONFIG"
            raise ConfigInvalid("no such file", where=str(named), hint=f"named by {origin}")
        return full
    return next((file for file in (cwd / FILE_NAME, SYSTEM_FILE) if file.is_file()), None)


def _default_state(environ: Mapping[str, str], home: str) -> Path:
    """$XDG_STATE_HOME/storewarden, else the system's for root, else the XDG default."""
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"]) / "storewarden"
    return _SYSTEM_STATE if os.geteuid() == 0 else Path(home) / ".local/state/storewarden"


def _without_empty(data: Mapping[Any, Any]) -> dict[str, Any]:
    """A key whose value was left out means its default, also a whole section of them."""
    return {
        str(key): _without_empty(value) if isinstance(value, dict) else value
        for key, value in data.items()
        if value is not None
    }


def _first(error: ValidationError, content: MarkedYaml, shown: str) -> ConfigInvalid:
    """The problem that stands first in the file, and how many others there are."""
    problems = error.errors(include_url=False, include_input=True)
    problems.sort(key=lambda problem: content.line(problem["loc"]))
    first, others = problems[0], len(problems) - 1
    what, hint = _explained(first)
    if others:
        hint = f"{hint}; {others} more after this" if hint else f"{others} more after this"
    return _refusal(content, shown, first["loc"], what, hint)


def _refusal(content: MarkedYaml, shown: str, place: Place, what: str, hint: str) -> ConfigInvalid:
    key = ".".join(str(part) for part in place)
    return ConfigInvalid(f"{key}: {what}", where=f"{shown}:{content.line(place)}", hint=hint)


def _explained(problem: ErrorDetails) -> tuple[str, str]:
    """What is wrong and what is there now; a value where a secret may stand is never repeated."""
    kind, place = problem["type"], problem["loc"]
    if kind == "extra_forbidden":
        return _SAYS[kind], _known_keys(place)
    if kind == "value_error":
        what = str(problem["ctx"]["error"])
    elif kind == "literal_error":
        what = f"must be {problem['ctx']['expected']}"
    else:
        what = _SAYS.get(kind, problem["msg"].lower())
    secret = place[0] in _NEAR_SECRETS or re.search(r"://.*(@|password)", str(problem["input"]))
    silent = secret or isinstance(problem["input"], dict)  # "is dict" helps nobody
    return what, "" if silent else f"is {_short(problem['input'])}"


def _short(value: object) -> str:
    text = str(value) if isinstance(value, str | int | float | Path) else type(value).__name__
    return text if len(text) <= 40 else f"{text[:37]}..."


def _known_keys(place: Place) -> str:
    """The key that was probably meant, or all that could stand here."""
    model: type[BaseModel] = SiteConfig
    for part in place[:-1]:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return ""
        model = annotation
    keys = [name for name in model.model_fields if name != "source"]
    close = difflib.get_close_matches(str(place[-1]), keys, n=1)
    return f"did you mean {close[0]}?" if close else f"known keys: {', '.join(keys)}"
