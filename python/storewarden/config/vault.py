# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``vault`` section: where ``vault:MOUNT/PATH#FIELD`` is read, and who we are there."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from storewarden.config.fields import SecretPath, SitePath


def _url(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
        raise ValueError("must be like https://vault.example.com:8200")
    return value.rstrip("/")


def _seconds(value: int) -> int:
    if not 0 <= value <= 300:
        raise ValueError("must be 0-300")
    return value


def _name(value: str) -> str:
    if not value or value.startswith("/") or any(c.isspace() for c in value):
        raise ValueError("must be the name of a mount, like approle")
    return value


class VaultConfig(BaseModel):
    """HashiCorp Vault or OpenBao; no ``url``, no vault.

    Either ``token_file``, or ``role_id`` with ``secret_id_file``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    url: Annotated[str, AfterValidator(_url)] = ""
    token_file: SecretPath | None = None
    role_id: str = ""
    secret_id_file: SecretPath | None = None
    approle_mount: Annotated[str, AfterValidator(_name)] = "approle"
    namespace: str = ""
    ca_file: SitePath | None = None
    cache_seconds: Annotated[int, AfterValidator(_seconds)] = 30

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> VaultConfig:
        if not self.url:
            return self
        if bool(self.role_id) != (self.secret_id_file is not None):
            raise ValueError("role_id and secret_id_file go together")
        if (self.token_file is None) == (self.secret_id_file is None):
            raise ValueError("needs either token_file, or role_id with secret_id_file")
        return self
