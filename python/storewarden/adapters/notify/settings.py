# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys that channels have in common.

A type of channel describes its own keys as a class ``Settings`` on top of ``ChannelSettings``;
the keys that every channel has (language, filters, quiet hours) never come here.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from storewarden.adapters.settings import AdapterSettings, ListOf, SecretRef, up_to, wrong


def _word(value: str) -> str:
    """A part of a message in which a blank or an angle bracket would mean something else."""
    if not re.fullmatch(r"[\w.@+-]+", value):
        raise wrong("must be letters, digits and . _ @ + - only")
    return value


Words = ListOf[Annotated[str, AfterValidator(_word)]]


class ChannelSettings(AdapterSettings):
    """``timeout_seconds`` is the wait for one packet."""

    timeout_seconds: Annotated[float, up_to(300)] = 15.0


class WebSettings(ChannelSettings):
    """What every channel over HTTP has: the whole url is a secret, for it holds the token.

    ``ca_file`` is trusted instead of the machine's own authorities; ``proxy`` is a url (the
    proxies of the environment are not used).
    """

    url: SecretRef
    ca_file: str = ""
    proxy: str = ""


def key_of(channel: str) -> str:
    """How a channel is named in refusals."""
    return f"notifications.channels.{channel}"
