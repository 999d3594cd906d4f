# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An archive fetched by the host itself. What came is worth nothing until its digest is right."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from .unfit import Unfit

_PIECE = 1 << 20
_SECONDS = 60


def checked_url(url: str) -> str:
    """Unfit for an address that is not plain http(s), or that carries a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unfit(
            "archive: an http or https address is meant", "archive：应为 http 或 https 地址"
        )
    if parts.username or parts.password:
        raise Unfit(
            "archive: an address with a password would be logged; let the server know the stores"
            " by their address",
            "archive：地址中不得包含密码（会写入日志）",
        )
    return url


def fetch(url: str, path: str, most: int) -> None:
    """Into a new file of root's own; Unfit when it cannot be had or has over ``most`` bytes."""
    from ansible.module_utils.urls import open_url

    beside = path + ".part"
    try:
        answer = open_url(checked_url(url), timeout=_SECONDS, follow_redirects="none")
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
            _pour(answer, target, most)
    except Unfit:
        raise
    except Exception as error:  # urllib's, ssl's and the socket's own kinds
        said = " ".join(str(error).split())
        raise Unfit(
            "the archive cannot be fetched: {0}".format(said), "无法下载归档：{0}".format(said)
        ) from None
    os.replace(beside, path)


def _pour(source: Any, target: Any, most: int) -> None:
    size = 0
    for piece in iter(lambda: source.read(_PIECE), b""):
        size += len(piece)
        if size > most:
            raise Unfit("the archive is larger than half of what is free", "归档超过可用空间的一半")
        target.write(piece)
