# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of network devices: what is one, what is the same, what it is called.

A device answers a wrong command with friendly text, and a line that breaks leaves half a
configuration; both look like success to whoever asked. So what came back has to prove itself: it
names its device, it has its last line, it is not much smaller than the one before. What was read is
kept as it came; two are compared without the lines that a device writes anew by itself.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

_SHORTEST = 5  # lines
_SHRUNK = 0.7  # of the size before (reference: network configurations, "shrunk >30 %")
_NAME = re.compile(r"(?P<device>.+)-(?P<day>\d{8})-v(?P<major>\d+)\.(?P<minor>\d+)\.cfg")


class Platform(StrEnum):
    """Whose language a configuration is in."""

    CISCO_IOS = "cisco-ios"
    HUAWEI_VRP = "huawei-vrp"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """``volatile`` lines change by themselves; ``name`` tells the device's name; ``last`` is how
    the text has to end, "" when nothing is known of that."""

    volatile: tuple[re.Pattern[str], ...]
    name: re.Pattern[str] | None
    last: str


_PLATFORMS: Mapping[Platform, _Words] = {
    Platform.CISCO_IOS: _Words(
        volatile=(
            re.compile(r"Building configuration"),
            re.compile(r"Current configuration *: *\d+ bytes"),
            re.compile(r"! (Last configuration change|NVRAM config last updated) at "),
            re.compile(r"! No configuration change since last restart"),
            re.compile(r"ntp clock-period \d+"),
        ),
        name=re.compile(r"^hostname (\S+)", re.MULTILINE),
        last="end",
    ),
    Platform.HUAWEI_VRP: _Words(
        volatile=(
            re.compile(r"!(Last configuration was (updated|saved)|Software Version)"),
            re.compile(r"!Configuration was (updated|saved) at"),
            re.compile(r"#? ?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
        ),
        name=re.compile(r"^ *sysname (\S+)", re.MULTILINE),
        last="return",
    ),
    Platform.GENERIC: _Words(volatile=(), name=None, last=""),
}
_ERRORS = re.compile(
    r"^(% |Error: |\s*\^\s*$|.*Unrecognized command|.*Invalid input detected)", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why something is no configuration."""

    en: str
    zh: str


def normalised(text: str, platform: Platform) -> tuple[str, ...]:
    """The lines that mean something: no line ends of another world, nothing that changes alone."""
    volatile = _PLATFORMS[platform].volatile
    lines = (line.rstrip() for line in text.replace("\r", "").split("\n"))
    return tuple(line for line in lines if line and not any(each.match(line) for each in volatile))


def same(one: str, other: str, platform: Platform) -> bool:
    """Whether nothing was changed by anybody."""
    return normalised(one, platform) == normalised(other, platform)


def against(text: str, platform: Platform, before: str = "") -> Refusal | None:
    """Why ``text`` is not taken for a configuration; ``before`` is the last one that was."""
    words, lines = _PLATFORMS[platform], normalised(text, platform)
    if len(lines) < _SHORTEST:
        return Refusal(en=f"only {len(lines)} lines", zh=f"仅 {len(lines)} 行")
    error = _ERRORS.search("\n".join(lines[:3]))
    if error is not None:
        told = error[0].strip()[:60]
        return Refusal(en=f"an error text: {told}", zh=f"返回的是错误信息：{told}")
    if words.name is not None and words.name.search(text) is None:
        return Refusal(en="it names no device", zh="未包含设备名")
    if words.last and lines[-1].strip() != words.last:
        return Refusal(
            en=f"it does not end with {words.last}: it was cut off",
            zh=f"未以 {words.last} 结尾：内容被截断",
        )
    return _shrunk(lines, normalised(before, platform))


def _shrunk(lines: tuple[str, ...], before: tuple[str, ...]) -> Refusal | None:
    size, was = sum(map(len, lines)), sum(map(len, before))
    if size >= was * _SHRUNK:
        return None
    less = 100 - round(100 * size / was)
    return Refusal(
        en=f"it is {less} % smaller than the last one; --smaller takes it",
        zh=f"比上一份小 {less}%；确认无误可用 --smaller 接受",
    )


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Version:
    """Major and minor; a change is one minor more."""

    major: int = 1
    minor: int = 0

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}"

    @property
    def next(self) -> Version:
        """After one more change."""
        return Version(major=self.major, minor=self.minor + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """What one file is called: ``Router-A-20241201-v1.0.cfg`` (guide 1.7.3)."""

    device: str
    day: date
    version: Version

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.device}-{self.day:%Y%m%d}-{self.version}.cfg"


def config_file(name: str) -> ConfigFile | None:
    """What a file's name says, read from the right because devices have hyphens; None when it is
    no such name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    text = match["day"]
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
    version = Version(major=int(match["major"]), minor=int(match["minor"]))
    return ConfigFile(device=match["device"], day=day, version=version)


def next_file(device: str, day: date, there: Iterable[ConfigFile]) -> ConfigFile:
    """The name of the next configuration of a device that has changed, or was never kept."""
    known = [each.version for each in there if each.device == device]
    version = max(known).next if known else Version()
    return ConfigFile(device=device, day=day, version=version)


_WORDS = (
    r"password|secret|cipher|community|key-string|pre-shared-key|md5|key|username|securityname"
    r"|passphrase|wpa-psk|sha\d*|aes|3?des|authentication-key|message-digest-key"
)
_SECRET = re.compile(
    rf"(?i)\b((?:{_WORDS})(?: +(?:read|write|simple|cipher|irreversible-cipher|encrypted|secret"
    r"|password|md5|key-string|local|remote|hex|ascii|level +\d+|\d+))*) +(\S+)"
)
_REST = re.compile(
    r"(?im)^([+\- ]*(?:snmp-server host \S+|standby \d+ authentication|ntp authentication-key \d+"
    r"|.*\bpriv(?:acy-mode)? +\S+)) .*$"
)


def shown(text: str) -> str:
    """Lines of a configuration as people see them: without what stands behind words such as
    ``secret``, ``community`` or ``cipher``. A value too much rather than one too few."""
    return _SECRET.sub(r"\1 ***", _REST.sub(r"\1 ***", text))


def difference(before: str, after: str, platform: Platform, names: tuple[str, str]) -> str:
    """What changed, as a unified diff of what means something; "" when nothing did. Secrets are in
    it as they are: ``shown`` takes them out."""
    lines = difflib.unified_diff(
        normalised(before, platform), normalised(after, platform), *names, lineterm=""
    )
    return "\n".join(lines)
