# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``healing`` section: who may send alerts, and how each sender is known.

What is the same for every kind of sender is read here. ``mapping`` goes unread to the reader of
the kind, ``prometheus`` to who asks it, and what ``poll`` has beyond ``every_seconds`` to the
source of the kind; they refuse what they do not know as ``healing.sources.<name>.<key>``: this
room knows no adapters.

A source's name is the last part of its path: ``/hooks/<name>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from storewarden.config.fields import SecretRef, SitePath, ZoneName
from storewarden.config.incidents import IncidentsConfig
from storewarden.domain.healing.alert import OWN

GRAFANA = "grafana"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,79}")
_SIGNATURE = "X-Storewarden-Signature"
_GRAFANAS_SIGNATURE = "X-Grafana-Alerting-Signature"


class _Section(BaseModel):
    """Frozen and strict: "60" is not 60, and nothing unknown passes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _names(value: object) -> object:
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no name of a source: small letters, digits, - and _, "
                    "beginning with a letter"
                )
            if name == OWN:
                raise ValueError(f"{name} is the source of our own alerts: take another name")
    return value


def _kind(value: str) -> str:
    if not value.isidentifier() or not value.isascii():
        raise ValueError("must be a kind of sender, like alertmanager")
    return value


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise ValueError("must be the name of a header, like X-Signature")
    return value


def _tuple(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("must be a list, one entry per line after '- '")
    return tuple(value) if isinstance(value, list) else value


def _between(low: int, high: int) -> AfterValidator:
    def check(value: int) -> int:
        if not low <= value <= high:
            raise ValueError(f"must be {low}-{high}")
        return value

    return AfterValidator(check)


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise ValueError("must name at least one secret, like file:PATH")
    if len(value) > 10:
        raise ValueError("must name at most 10 secrets")
    return value


Header = Annotated[str, AfterValidator(_header)]
SecretRefs = Annotated[tuple[SecretRef, ...], BeforeValidator(_tuple), AfterValidator(_some)]


class AuthConfig(_Section):
    """How a sender is known. ``secrets`` are references; each of them opens, so that one can be
    exchanged while both are in use.

    ``bearer``: tokens. ``basic``: the passwords of ``user``. ``hmac``: keys; the signature is the
    hexadecimal HMAC-SHA256 of ``timestamp:body``, in ``header``, and the timestamp (seconds since
    1970) in ``timestamp_header`` must not be further than ``skew_seconds`` from now.
    """

    type: Literal["bearer", "basic", "hmac"]
    secrets: SecretRefs
    user: str = ""
    header: Header | None = None
    timestamp_header: Header | None = None
    skew_seconds: Annotated[int, _between(1, 3600)] = 300  # reference: alert senders, "5 min"

    @model_validator(mode="after")
    def _keys_of_its_type(self) -> AuthConfig:
        if self.type == "basic" and (not self.user or ":" in self.user):
            raise ValueError("basic needs the name of a user, without a colon")
        if self.type != "basic" and self.user:
            raise ValueError("only basic has a user")
        if self.type == "hmac" and self.timestamp_header is None:
            raise ValueError("hmac needs timestamp_header: without it a request could be repeated")
        if self.type != "hmac" and (self.header or self.timestamp_header):
            raise ValueError("only hmac has headers")
        return self


class PollConfig(BaseModel):
    """How the system is asked what fires now, for what its webhook lost. All keys but
    ``every_seconds`` are those of the kind (``url``, ``token``, ...)."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    every_seconds: Annotated[int, _between(10, 3600)] = 60  # reference: alert senders, "60 s"

    @property
    def every(self) -> timedelta:
        """From one question to the next."""
        return timedelta(seconds=self.every_seconds)

    @property
    def settings(self) -> Mapping[str, object]:
        """What the adapter reads."""
        return dict(self.model_extra or {})


class SourceConfig(_Section):
    """One sender. ``timezone`` None: the site's; it is for times that come without a zone.
    ``prometheus`` is where an alert's own expression can be asked."""

    kind: Annotated[str, AfterValidator(_kind)]
    auth: AuthConfig
    timezone: ZoneName | None = None
    mapping: dict[str, object] | None = None
    poll: PollConfig | None = None
    prometheus: dict[str, object] | None = None

    @property
    def signature_header(self) -> str:
        """Where the signature of ``hmac`` stands."""
        usual = _GRAFANAS_SIGNATURE if self.kind == GRAFANA else _SIGNATURE
        return self.auth.header or usual

    def settings(self, timezone: str) -> Mapping[str, object]:
        """What the reader reads; ``timezone`` is the site's."""
        found: dict[str, object] = {"timezone": self.timezone or timezone}
        if self.mapping is not None:
            found["mapping"] = self.mapping
        return found


class ActionConfig(_Section):
    """How far one action may go by itself: `observe`, `approve` or `auto` (guard rails, "Mode")."""

    mode: Literal["observe", "approve", "auto"] = "observe"


class HealingConfig(_Section):
    """The senders of alerts by name, the rules that answer them, and what actions may do.

    ``policy`` sets numbers of the guards by their names (docs/reference/heal-rules.md): seconds,
    percent, counts, times of day. Devices in ``protected_groups`` of the inventory are never
    repaired without a person's yes. ``incidents`` is what people's work is held to.
    """

    rules: SitePath | None = None
    actions: dict[str, ActionConfig] = {}
    policy: dict[str, int | float | str] = {}
    protected_groups: Annotated[tuple[str, ...], BeforeValidator(_tuple)] = (
        "payment_switch",
        "db_primary",
        "core_network",
    )

    incidents: IncidentsConfig = IncidentsConfig()
    sources: Annotated[dict[str, SourceConfig], BeforeValidator(_names)] = {}
