# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the running service and the caller's token; reading without either where possible.

Who changes a change goes through the service, because only there it is known who they are.
Reading needs no identity beyond the right to read the ledger's file: so reading verbs ask
the service when it runs, and else the ledger, when it lies here and may be read.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from storewarden.adapters.service import ServiceAway, ServiceClient
from storewarden.domain.change.people import Person
from storewarden.domain.change.record import State
from storewarden.domain.errors import AdapterError, ConfigInvalid, Refused, StorewardenError
from storewarden.flows import change_view
from storewarden.flows.change_month import month_view
from storewarden.ports.secrets import Secret

if TYPE_CHECKING:
    from storewarden.config.site import SiteConfig
    from storewarden.wiring.site import Site

SERVICE = "STOREWARDEN_SERVICE"
TOKEN_FILE = "STOREWARDEN_TOKEN_FILE"  # the path of a file, never a token
_TOKEN = re.compile(r"sw_[a-z0-9.-]+_[0-9a-f]{64}")
_OTHERS = 0o077


class ChangeReader(Protocol):
    """Changes as JSON data (``flows.change_view``), from wherever they can be read."""

    def whole(self, number: str) -> dict[str, Any]:
        """``{"change", "waits_for"}`` of one change."""
        ...

    def history(self, number: str) -> list[dict[str, Any]]:
        """Its journal entries."""
        ...

    def rows(self, *, states: tuple[State, ...], host: str, mine: bool, limit: int) -> list[Any]:
        """Lines of a list, newest first."""
        ...

    def debts(self, *, overdue: bool) -> list[dict[str, Any]]:
        """Open debts, the most urgent first."""
        ...

    def month(self, name: str) -> dict[str, Any]:
        """The report of a month's changes; "" is this month."""
        ...

    def document(self, number: str, digest: str) -> bytes:
        """The bytes of one piece of evidence."""
        ...


@contextmanager
def service(
    config: SiteConfig, environ: Mapping[str, str], token_file: Path | None
) -> Iterator[ServiceClient]:
    """The running service, as the owner of the token.

    Raises ServiceAway when none runs, ConfigInvalid when there is no usable token.
    """
    url = service_url(config, environ)
    with ServiceClient(url, read_token(environ, token_file)) as client:
        yield client


@contextmanager
def change_reader(
    config: SiteConfig, environ: Mapping[str, str], token_file: Path | None
) -> Iterator[ChangeReader]:
    """The service when it runs and knows the caller, else the ledger; the service's "no" when
    neither is possible."""
    try:
        client = ServiceClient(service_url(config, environ), read_token(environ, token_file))
    except (ServiceAway, ConfigInvalid) as error:
        with _ledger_reader(config, error, asked=token_file is not None) as reader:
            yield reader
        return
    with client:
        yield RemoteReader(client)


def service_url(config: SiteConfig, environ: Mapping[str, str]) -> str:
    """Where the service listens: $STOREWARDEN_SERVICE, else what the running controller of this
    state directory announced, else (when that may not be read) what the settings say."""
    from storewarden.adapters.engine.lock import holder_of  # noqa: PLC0415 - few need it

    if environ.get(SERVICE):
        return environ[SERVICE]
    try:
        holder = holder_of(config.state_dir)
    except AdapterError:  # it belongs to the service's user; we are somebody else
        refuse_strangers(config)
        return f"http://{config.controller.listen}"
    if holder is None:
        raise ServiceAway(
            "no service runs here",
            where=str(config.state_dir),
            hint=f"start it: storewarden serve; or set ${SERVICE} to its address",
            retryable=True,
        )
    if not holder.address:
        raise ServiceAway(
            "the service is only just starting", where=str(config.state_dir), retryable=True
        )
    return holder.address if "://" in holder.address else f"http://{holder.address}"


def refuse_strangers(config: SiteConfig) -> None:
    """Before a token is sent to a port that anybody may have taken: it is the service's, root's
    or our own program that listens there."""
    from storewarden.adapters.listeners import listening_users  # noqa: PLC0415 - few need it
    from storewarden.config.controller import listen_address  # noqa: PLC0415

    try:
        owner = config.state_dir.stat().st_uid
    except OSError:
        return  # nobody can say whose service it would be
    strangers = listening_users(listen_address(config.controller.listen)[1])
    strangers -= {0, os.geteuid(), owner}
    if strangers:
        raise Refused(
            f"what listens there belongs to the user {min(strangers)}, not to the service",
            where=config.controller.listen,
            hint="no token was sent; look who it is: ss -ltnp",
        )


def read_token(environ: Mapping[str, str], named: Path | None) -> Secret:
    """The caller's token: ``named``, $STOREWARDEN_TOKEN_FILE, ~/.config/storewarden/token.

    Raises ConfigInvalid, naming the file and never what is in it.
    """
    path = named or Path(environ.get(TOKEN_FILE) or _home(environ) / ".config/storewarden/token")
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(1000)
    except OSError as error:
        raise ConfigInvalid(
            f"no token: {(error.strerror or str(error)).lower()}",
            where=str(path),
            hint="storewarden person token NAME makes one; then --token-file",
        ) from None
    if stat.S_ISREG(mode) and mode & _OTHERS:
        raise ConfigInvalid("others may read this token", where=str(path), hint=f"chmod 600 {path}")
    text = content.decode("utf-8", "replace").strip()
    if not _TOKEN.fullmatch(text):
        raise ConfigInvalid("holds no token", where=str(path), hint="one line, sw_...")
    return Secret(text)


class RemoteReader:
    """Reads through the service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    def whole(self, number: str) -> dict[str, Any]:
        """One change."""
        found: dict[str, Any] = self._client.read(f"/changes/{_part(number)}")
        return found

    def history(self, number: str) -> list[dict[str, Any]]:
        """Its journal entries."""
        path = f"/changes/{_part(number)}/history"
        found: list[dict[str, Any]] = self._client.read(path)["entries"]
        return found

    def rows(self, *, states: tuple[State, ...], host: str, mine: bool, limit: int) -> list[Any]:
        """Lines of a list."""
        wanted = [("state", state.value) for state in states]
        wanted += [("host", host), ("mine", "true" if mine else ""), ("limit", str(limit))]
        found: list[Any] = self._client.read("/changes", *wanted)["changes"]
        return found

    def debts(self, *, overdue: bool) -> list[dict[str, Any]]:
        """Open debts."""
        wanted = ("overdue", "true" if overdue else "")
        found: list[dict[str, Any]] = self._client.read("/debts", wanted)["debts"]
        return found

    def month(self, name: str) -> dict[str, Any]:
        """The report of a month."""
        found: dict[str, Any] = self._client.read("/reports/changes", ("month", name))
        return found

    def document(self, number: str, digest: str) -> bytes:
        """The bytes of one piece of evidence."""
        return self._client.fetch(f"/changes/{_part(number)}/evidence/{_part(digest)}")


class LedgerReader:
    """Reads the ledger itself, as nobody in particular."""

    def __init__(self, site: Site, why: StorewardenError) -> None:
        """``why`` is what keeps the caller from the service."""
        self._desk = site.change_desk(Person(id="nobody", name="nobody"))
        self._why = why

    def whole(self, number: str) -> dict[str, Any]:
        """One change."""
        return change_view.whole(self._desk, self._desk.change(number))

    def history(self, number: str) -> list[dict[str, Any]]:
        """Its journal entries."""
        return [change_view.entry(each) for each in self._desk.history(number)]

    def rows(self, *, states: tuple[State, ...], host: str, mine: bool, limit: int) -> list[Any]:
        """Lines of a list. Only the service knows who somebody is and so what is theirs."""
        if mine:
            raise self._why
        found = self._desk.changes(states=states, host=host, limit=limit)
        return [change_view.row(self._desk, each) for each in found]

    def debts(self, *, overdue: bool) -> list[dict[str, Any]]:
        """Open debts."""
        return [change_view.debt(each) for each in self._desk.debts(overdue=overdue)]

    def month(self, name: str) -> dict[str, Any]:
        """The report of a month."""
        return month_view(self._desk.month(name))

    def document(self, number: str, digest: str) -> bytes:
        """The bytes of one piece of evidence."""
        return self._desk.document(number, digest)[2]


@contextmanager
def _ledger_reader(
    config: SiteConfig, why: StorewardenError, *, asked: bool
) -> Iterator[ChangeReader]:
    """Beside the service; ``why`` is raised when the ledger is not for the caller either, or
    when they ``asked`` for the service by naming a token."""
    from storewarden.wiring.site import open_site  # noqa: PLC0415 - costs 0.3 s

    broken = asked and not isinstance(why, ServiceAway)
    file = config.ledger_file  # on a server the server decides, and its refusal is one line
    if broken or (file is not None and not os.access(file, os.R_OK | os.W_OK)):
        raise why
    with open_site(config) as site:
        yield LedgerReader(site, why)


def _part(text: str) -> str:
    """One part of a path, whatever is in it: a "?" or "/" would ask for something else."""
    return quote(text, safe="")


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())
