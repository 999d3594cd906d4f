# SPDX-License-Identifier: GPL-3.0-or-later
"""Any Ansible inventory, resolved once by ansible-inventory itself.

ansible-inventory is eager to please: a source that does not parse is skipped
with a warning, a limit that matches nothing prints an empty inventory, and both
end with status 0 (measured). Here either is an error, in one line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import cast

from storewarden.adapters.ansible import collection, complaint, environment
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.runner import FrozenInventory

_TIMEOUT = timedelta(minutes=5)  # inventory plugins may ask slow systems
_Raw = Mapping[str, Mapping[str, object]]


class AnsibleInventory:
    """The Inventory port over ansible-inventory.

    ``pass_env`` names environment variables that the site's inventory plugins need (tokens
    of a CMDB); nothing else of the caller's environment is passed, and none of it reaches
    the plays.
    """

    def __init__(
        self,
        *,
        collections: Sequence[Path] = (),
        pass_env: Sequence[str] = (),
        bin_dir: Path | None = None,
        timeout: timedelta = _TIMEOUT,
    ) -> None:
        self._collections = tuple(collections)
        self._pass_env = tuple(pass_env)
        self._bin = bin_dir or environment.bin_directory()
        self._timeout = timeout.total_seconds()

    def resolve(
        self,
        sources: Sequence[Path | str],
        *,
        limit: str = "",
        vault_password: Path | None = None,
    ) -> FrozenInventory:
        """All hosts of the sources, or those of ``limit``.

        Raises ConfigInvalid, ContentMissing without ansible-inventory, AdapterError when
        it does not answer in time.
        """
        named = [_source(source) for source in sources]
        if not named:
            raise ConfigInvalid("no inventory was named", where="inventory", hint="give -i PATH")
        secret = environment.secret_file(vault_password, "vault password")
        raw = self._list(named, limit, secret)
        hosts = cast("_Raw", raw.get("_meta", {}).get("hostvars", {}))
        groups = {name: tuple(dict.fromkeys(_members(raw, name))) for name in raw}
        every = dict.fromkeys(_members(raw, "all"))
        if not every:
            raise _nothing(named, limit)
        return FrozenInventory(
            hosts={name: hosts.get(name, {}) for name in every},
            groups={g: m for g, m in groups.items() if m and g not in ("_meta", "all")},
            source=named[0] if len(named) == 1 else ",".join(named),
        )

    def _list(self, sources: Sequence[str], limit: str, secret: str) -> _Raw:
        config = environment.site_config()
        env = {
            **environment.base(self._bin, extra=self._pass_env),
            **environment.ansible(collection.search_path(self._collections, config), config),
        }
        command = [environment.tool("ansible-inventory", env), "--list"]
        command += [word for source in sources for word in ("-i", source)]
        command += [f"--limit={limit}"] if limit else []
        command += ["--vault-password-file", secret] if secret else []
        try:
            status, out, said = _answer(command, env, self._timeout)
        except subprocess.TimeoutExpired as error:
            raise AdapterError(
                f"ansible-inventory did not answer in {self._timeout:.0f} s",
                where=",".join(sources),
                retryable=True,
            ) from error
        if status != 0:
            why = complaint.of_inventory(said.decode(errors="replace"))
            raise ConfigInvalid(why or "ansible-inventory failed", where=",".join(sources))
        try:
            return cast("_Raw", json.loads(out))
        except ValueError as error:  # a plugin that prints where only the answer belongs
            raise ConfigInvalid(
                f"the inventory could not be read: not JSON: {error}", where=",".join(sources)
            ) from error


def _answer(
    command: Sequence[str], env: Mapping[str, str], seconds: float
) -> tuple[int, bytes, bytes]:
    """Status, stdout and stderr; whatever happens here, nothing that was started stays.

    In a session of its own: inventory scripts start others, which would outlive it.
    """
    process = subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        out, said = process.communicate(timeout=seconds)
    except BaseException:  # the time was up, or Ctrl-C
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, out, said


def _source(source: Path | str) -> str:
    """A path made absolute, which must exist; a host list ("a,b,") as it is."""
    text = str(source)
    if isinstance(source, str) and "," in text:
        return text
    path = Path(text).absolute()
    if not path.exists():
        raise ConfigInvalid(
            "no such inventory", where=str(source), hint="name a file, or end a host list with ','"
        )
    if "," in str(path):
        raise ConfigInvalid("Ansible cannot read a path with a comma in it", where=str(path))
    return str(path)


def _members(raw: _Raw, group: str) -> Iterator[str]:
    """Hosts of a group and of all groups below it."""
    here = raw.get(group, {})
    yield from cast("Sequence[str]", here.get("hosts", ()))
    for child in cast("Sequence[str]", here.get("children", ())):
        yield from _members(raw, child)


def _nothing(sources: Sequence[str], limit: str) -> ConfigInvalid:
    where = ",".join(sources)
    if limit:
        return ConfigInvalid(f"the limit {limit!r} matches no host", where=where)
    return ConfigInvalid("the inventory has no hosts", where=where)
