# SPDX-License-Identifier: GPL-3.0-or-later
"""Where our collection is, found without asking Ansible.

A stale copy in ``~/.ansible/collections`` would silently win over ours
(measured), so every call of Ansible gets a search path that begins with the
directory this package was installed with; the run log then says what really
resolved.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

import storewarden
from storewarden.adapters.ansible import environment
from storewarden.domain.errors import ContentMissing

NAME = "storewarden.ops"
_INSIDE = Path("ansible_collections") / "storewarden" / "ops"


def _candidates() -> Iterable[Path]:
    """Beside the package first (a wheel), then wherever Python looks (an editable checkout)."""
    yield Path(storewarden.__file__).parent.parent
    yield from (Path(entry) for entry in sys.path if entry)
    yield Path(sysconfig.get_path("purelib"))


def search_root() -> Path:
    """The directory to put first into ANSIBLE_COLLECTIONS_PATH. Raises ContentMissing."""
    for root in _candidates():
        if (root / _INSIDE / "galaxy.yml").is_file():
            return root
    raise ContentMissing(
        f"the collection {NAME} is not installed beside the Python package",
        where=str(Path(storewarden.__file__).parent),
        hint="reinstall storewarden, or run 'make dev' in a checkout",
    )


def directory(root: Path | None = None) -> Path:
    """The collection itself, links resolved: what the run log must report back."""
    return ((root or search_root()) / _INSIDE).resolve()


def search_path(site: Sequence[Path] = (), config: str = "") -> tuple[str, ...]:
    """Ours first, the site's own after, last what Ansible itself would have searched."""
    named = (str(path.resolve()) for path in site)
    return tuple(dict.fromkeys((str(search_root()), *named, *environment.site_collections(config))))


def playbook_argument(playbook: str) -> str:
    """What ansible-playbook is to be told: our playbooks checked, files made absolute.

    Raises ContentMissing for a playbook of ours, or a file, that does not exist.
    """
    prefix = f"{NAME}."
    if playbook.startswith(prefix):
        stem = directory() / "playbooks" / playbook.removeprefix(prefix).replace(".", "/")
        if not any(stem.with_suffix(end).is_file() for end in (".yml", ".yaml")):
            raise ContentMissing("no such playbook in the collection", where=playbook)
        return playbook
    path = Path(playbook).absolute()
    if path.is_file():
        return str(path)
    if playbook.count(".") >= 2 and "/" not in playbook:
        return playbook  # a playbook of another collection: only Ansible can tell
    raise ContentMissing("no such playbook", where=playbook)
