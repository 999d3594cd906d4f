# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in HashiCorp Vault or OpenBao: the key/value store, version 2.

``vault:MOUNT/PATH#FIELD`` is the field FIELD of the newest version at PATH below MOUNT (the
word ``data`` of the raw API does not belong into it). We log in with a token that lies in a
file, or with an AppRole whose secret id does.

An expired token and a policy that forbids are the same answer (403), so after one we log in
again once, and believe the second. What the server says is never repeated: our own words
name the reference.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from storewarden.adapters.secrets.local import read_file
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.secrets import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings:
    """How to reach the vault and who we are there. Either ``token_file``, or ``role_id`` with
    ``secret_id_file``; the files obey the rules of ``file:``.

    ``cache_seconds``: how long a secret that was read is taken as current.
    """

    url: str
    token_file: Path | None = None
    role_id: str = ""
    secret_id_file: Path | None = None
    approle_mount: str = "approle"
    namespace: str = ""
    ca_file: Path | None = None
    timeout_seconds: float = 10.0
    cache_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class _Place:
    mount: str
    path: str
    field: str
    reference: str


class Vault:
    """One vault. May be used from several threads; connected at the first question."""

    def __init__(
        self, settings: VaultSettings, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is asked yet."""
        self._settings = settings
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._client: Any = None
        self._cache: dict[tuple[str, str], tuple[float, Mapping[str, object]]] = {}

    def __repr__(self) -> str:
        """Where it is, never who we are."""
        return f"<Vault {self._settings.url}>"

    def read(self, place: str) -> Secret:
        """The secret at ``MOUNT/PATH#FIELD``.

        Raises ConfigInvalid when it is not there, AdapterError when the vault is away or sealed
        (retryable) or does not let us (not retryable).
        """
        wanted = _place(place)
        with self._lock:
            fields = self._fields(wanted)
        value = fields.get(wanted.field)
        if value is None:
            raise ConfigInvalid(
                f"the secret has no field {wanted.field!r}",
                where=wanted.reference,
                hint=f"its fields: {', '.join(sorted(fields)) or 'none'}",
            )
        if not isinstance(value, str) or not value.strip():
            raise ConfigInvalid("the field holds no text", where=wanted.reference)
        return Secret(value)

    def _fields(self, wanted: _Place) -> Mapping[str, object]:
        key = (wanted.mount, wanted.path)
        now = self._monotonic()
        if key in self._cache and now < self._cache[key][0]:
            return self._cache[key][1]
        fields = self._read(wanted)
        self._cache[key] = (now + self._settings.cache_seconds, fields)
        return fields

    def _read(self, wanted: _Place) -> Mapping[str, object]:
        import hvac.exceptions as told  # noqa: PLC0415 - only sites with a vault need it

        try:
            fresh = self._client is None
            if fresh:
                self._client = self._logged_in()
            try:
                return self._asked(wanted)
            except told.Forbidden:
                if fresh:
                    raise
            self._client = self._logged_in()  # the token may have expired: once
            return self._asked(wanted)
        except (AdapterError, ConfigInvalid):
            raise
        except Exception as error:  # noqa: BLE001 - hvac lets requests' own errors through
            self._client = None
            _explain(error, wanted, self._settings.url)

    def _asked(self, wanted: _Place) -> Mapping[str, object]:
        answer = self._client.secrets.kv.v2.read_secret_version(
            path=wanted.path, mount_point=wanted.mount, raise_on_deleted_version=True
        )
        fields = answer["data"]["data"]
        return fields if isinstance(fields, dict) else {}

    def _logged_in(self) -> Any:
        import hvac  # noqa: PLC0415
        import hvac.exceptions as told  # noqa: PLC0415

        settings = self._settings
        client = hvac.Client(
            url=settings.url,
            namespace=settings.namespace or None,
            verify=str(settings.ca_file) if settings.ca_file else True,
            timeout=settings.timeout_seconds,
            allow_redirects=False,
        )
        client.session.trust_env = False  # no proxy and no .netrc behind our back
        if settings.token_file is not None:
            client.token = _own(settings.token_file)
            return client
        if settings.secret_id_file is None:
            raise ConfigInvalid("needs token_file, or role_id with secret_id_file", where="vault")
        secret_id = _own(settings.secret_id_file)
        try:
            client.auth.approle.login(
                settings.role_id, secret_id, mount_point=settings.approle_mount
            )
        except (told.InvalidRequest, told.Forbidden, told.Unauthorized):
            raise AdapterError(
                "the vault refuses our role id and secret id",
                where=settings.url,
                hint=f"a new secret id into {settings.secret_id_file}; the old one is wrong, "
                "has expired or was used too often",
            ) from None
        return client


def _own(file: Path) -> str:
    """What proves who we are."""
    return read_file(str(file), Path(), {}).reveal().strip()


def _place(place: str) -> _Place:
    path, mark, field = place.rpartition("#")
    mount, slash, path = path.strip("/").partition("/")
    if not (mark and slash and mount and path and field):
        raise ConfigInvalid(
            "is not like vault:MOUNT/PATH#FIELD",
            where="a key that takes a secret",
            hint="for example vault:secret/storewarden/dingtalk#url",
        )
    return _Place(mount, path, field, f"vault:{mount}/{path}#{field}")


def _explain(error: Exception, wanted: _Place, url: str) -> NoReturn:
    """What an error of hvac or requests means here, in our own words."""
    import hvac.exceptions as told  # noqa: PLC0415
    import requests  # noqa: PLC0415 - hvac's own transport, whose errors it lets through

    if isinstance(error, told.InvalidPath):
        raise ConfigInvalid(
            "the vault has no such secret, or it was deleted",
            where=wanted.reference,
            hint="the path has no 'data' in it, and the mount must be key/value version 2",
        ) from None
    if isinstance(error, told.Forbidden | told.Unauthorized):
        raise AdapterError(
            "the vault does not let us read it, also after a new login",
            where=wanted.reference,
            hint="the policy of our token or role, or a token that has expired",
        ) from None
    if isinstance(error, told.VaultDown):
        _away("the vault is sealed or in maintenance", url)
    if isinstance(error, requests.exceptions.SSLError):
        raise AdapterError(
            "the vault's certificate is not trusted", where=url, hint="set vault.ca_file"
        ) from None
    if isinstance(error, requests.exceptions.RequestException):
        _away("the vault cannot be reached", url)
    if isinstance(error, told.InvalidRequest):
        raise AdapterError(
            "the vault does not understand the request", where=wanted.reference,
            hint="is the mount key/value version 2?",
        ) from None  # fmt: skip
    _away(f"the vault is in trouble ({type(error).__name__})", url)


def _away(what: str, url: str) -> NoReturn:
    raise AdapterError(
        what, where=url, hint="what needs it waits until it is back", retryable=True
    ) from None
