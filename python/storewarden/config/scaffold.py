# SPDX-License-Identifier: GPL-3.0-or-later
"""A new site: the folder `site_template`, copied where nothing is yet.

The rule: nothing that exists is ever overwritten; a folder with anything in it is refused.
"""

from __future__ import annotations

from pathlib import Path

from storewarden.domain.errors import AdapterError, Refused

_TEMPLATE = Path(__file__).with_name("site_template")
# Under its own name it would act on this checkout as well.
_RENAMED = {"gitignore": ".gitignore"}


def template_files() -> dict[str, bytes]:
    """Name inside the site -> content, in the order of the names."""
    found = sorted(path for path in _TEMPLATE.rglob("*") if path.is_file())
    names = (path.relative_to(_TEMPLATE).as_posix() for path in found)
    return {
        _RENAMED.get(name, name): path.read_bytes()
        for name, path in zip(names, found, strict=True)
        if "__pycache__" not in name
    }


def write_site(target: Path) -> tuple[Path, ...]:
    """Create the site in `target`; the files written.

    Raises Refused when `target` holds anything, AdapterError when it cannot be written.
    """
    try:
        _refuse_occupied(target)
        return tuple(_write(target / name, content) for name, content in template_files().items())
    except OSError as error:
        raise AdapterError(
            f"cannot be written: {(error.strerror or str(error)).lower()}",
            where=str(error.filename or target),
        ) from error


def _refuse_occupied(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise Refused("is a file", where=str(target), hint="name a folder that is new or empty")
    if target.is_dir() and any(target.iterdir()):
        raise Refused(
            "is not empty; nothing was written",
            where=str(target),
            hint="name a folder that is new or empty",
        )


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        stream.write(content)
    return path
