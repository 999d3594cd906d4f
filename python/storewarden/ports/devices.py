# SPDX-License-Identifier: GPL-3.0-or-later
"""Network devices whose configuration is read, and the folder in which configurations are kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from storewarden.domain.backup.device_config import ConfigFile, Platform
from storewarden.domain.errors import AdapterError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAccess:
    """How a device is reached. ``user`` is what the inventory says; the site's
    own word, where there is one, wins. ``command`` "" is the platform's own."""

    device: str
    address: str
    platform: Platform
    port: int = 22
    user: str = ""
    command: str = ""


class LoginRefused(AdapterError):
    """A device did not let us in; asking again without a person is how accounts are locked."""


class Devices(Protocol):
    """Reads configurations; safe to use from several threads at once."""

    def read(self, access: DeviceAccess) -> str:
        """The running configuration as the device told it.

        Raises AdapterError (``retryable`` when it did not answer), LoginRefused
        and ConfigInvalid for a device that cannot be asked. No text holds a secret.
        """
        ...


class ConfigStore(Protocol):
    """Every configuration that was kept, by its name. Methods raise AdapterError."""

    def writing(self) -> AbstractContextManager[None]:
        """Held while configurations are kept; what was kept is history when it ends, also when
        it ends by an error. Raises Refused when somebody else holds it."""
        ...

    def files(self, device: str) -> Sequence[ConfigFile]:
        """Those of a device, oldest first."""
        ...

    def text(self, file: ConfigFile) -> str:
        """One of them. Raises ConfigInvalid when there is none of that name."""
        ...

    def keep(self, file: ConfigFile, text: str) -> None:
        """Keep it as it is, durably. Raises ConfigInvalid when there is one of that name."""
        ...

    def seen(self, file: ConfigFile) -> None:
        """It was read again and is still the one: its time is now, for audits that want to know
        how old what they judge is."""
        ...
