# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which method has which name. One is loaded when it is asked for."""

from __future__ import annotations

import importlib

from .failures import Unfit
from .method import Method

# name -> (file of this folder, class in it)
TABLE = {
    "files": ("files", "Files"),
    "pgbackrest": ("pgbackrest", "PgBackRest"),
    "pg-basebackup": ("pg_basebackup", "PgBaseBackup"),
    "mariadb": ("mariadb", "MariaDb"),
    "redis": ("redis", "Redis"),
    "sqlite": ("sqlite", "Sqlite"),
    "ledger": ("ledger", "Ledger"),
    "network": ("network", "Network"),
}


def method_of(name: str) -> Method:
    """Raises Unfit for a name that is unknown, or a method that is not part of this program."""
    if name not in TABLE:
        raise Unfit("method {0!r} is unknown".format(name), "备份方法 {0!r} 未知".format(name))
    file, kind = TABLE[name]
    try:
        module = importlib.import_module("." + file, __package__)
    except ModuleNotFoundError as error:
        raise Unfit(
            "method {0!r} is not part of this program ({1})".format(name, error),
            "本程序不含备份方法 {0!r}（{1}）".format(name, error),
        ) from None
    found = getattr(module, kind)()
    assert isinstance(found, Method)
    return found
