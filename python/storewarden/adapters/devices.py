# SPDX-License-Identifier: GPL-3.0-or-later
"""Network devices over SSH, by netmiko: a session per device, no process per device.

Host keys are checked. What netmiko says of a failure may quote what was sent to the device, so
none of its texts is passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storewarden.domain.backup.device_config import Platform
from storewarden.domain.errors import AdapterError, ConfigInvalid
from storewarden.ports.devices import DeviceAccess, LoginRefused
from storewarden.ports.secrets import Secret

if TYPE_CHECKING:
    from netmiko import BaseConnection

_TYPES = {
    Platform.CISCO_IOS: "cisco_ios",
    Platform.HUAWEI_VRP: "huawei_vrp",
    Platform.GENERIC: "generic",
}
_COMMANDS = {
    Platform.CISCO_IOS: "show running-config",
    Platform.HUAWEI_VRP: "display current-configuration",
}
_PRIVILEGED = frozenset({Platform.CISCO_IOS})  # they show it only after "enable"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLogin:
    """Who we are to the devices; None for "none"."""

    user: str
    password: Secret | None = None
    enable: Secret | None = None
    private_key: Path | None = None
    known_hosts: Path | None = None
    timeout: timedelta = timedelta(seconds=60)


class NetmikoDevices:
    """``ports.devices.Devices``."""

    def __init__(self, login: DeviceLogin) -> None:
        self._login = login

    def read(self, access: DeviceAccess) -> str:
        """The running configuration."""
        from netmiko import ConnectHandler, exceptions  # noqa: PLC0415 - costs 0.3 s

        command = access.command or _COMMANDS.get(access.platform, "")
        if not command:
            raise ConfigInvalid(
                "nobody says how its configuration is shown",
                where=access.device,
                hint="set sw_config_command, or an ansible_network_os that is known",
            )
        settings = self._settings(access)
        try:
            with ConnectHandler(**settings) as session:
                return self._shown(session, access, command)
        except exceptions.NetmikoAuthenticationException:
            raise _refused(access) from None
        except exceptions.NetmikoTimeoutException:
            raise _silent(access) from None
        except OSError as error:
            told = (error.strerror or type(error).__name__).lower()
            raise AdapterError(told, where=access.device, retryable=True) from None
        except Exception:  # noqa: BLE001 - what a device may say to two libraries has no end
            raise AdapterError(
                "the session broke off", where=access.device, retryable=True
            ) from None

    def _shown(self, session: BaseConnection, access: DeviceAccess, command: str) -> str:
        if access.platform in _PRIVILEGED and not session.check_enable_mode():
            session.enable()
        seconds = self._login.timeout.total_seconds()
        return _decoded(str(session.send_command(command, read_timeout=seconds)))

    def _settings(self, access: DeviceAccess) -> Mapping[str, Any]:
        login, seconds = self._login, self._login.timeout.total_seconds()
        found: dict[str, Any] = {
            "device_type": _TYPES[access.platform],
            "host": access.address,
            "port": access.port,
            "username": login.user or access.user,
            "encoding": "latin-1",  # every byte as it came; see _decoded
            "conn_timeout": seconds,
            "auth_timeout": seconds,
            "banner_timeout": seconds,
            "ssh_strict": True,
            "system_host_keys": login.known_hosts is None,
            "allow_agent": False,
        }
        if login.known_hosts is not None:
            found |= {"alt_host_keys": True, "alt_key_file": str(login.known_hosts)}
        if login.private_key is not None:
            found |= {"use_keys": True, "key_file": str(login.private_key)}
        if login.password is not None:
            found["password"] = login.password.reveal()
        if login.enable is not None:
            found["secret"] = login.enable.reveal()
        return found


def _decoded(raw: str) -> str:
    """Text from bytes. netmiko decodes packet by packet, and what a packet cuts in two, or what is
    no UTF-8, would be left out without a word; devices speak GB 18030 as well."""
    data = raw.encode("latin-1")
    for name in ("utf-8", "gb18030"):
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    return raw


def _refused(access: DeviceAccess) -> LoginRefused:
    return LoginRefused(
        "the login was refused",
        where=access.device,
        hint="backup.devices.user and password; nothing is tried again",
        retryable=False,
    )


def _silent(access: DeviceAccess) -> AdapterError:
    return AdapterError(
        "it does not answer, or its host key is not known",
        where=f"{access.device} ({access.address}:{access.port})",
        retryable=True,
    )
