# SPDX-License-Identifier: GPL-3.0-or-later
"""A shop's database and jobs over it, for the tests of its backups: real servers, real
pgBackRest."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.backup.order import (
    Limits,
    Order,
    Place,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.pgbackrest_store import (
    configuration,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.postgresql_source import (
    Cluster,
)
from ansible_collections.storewarden.ops.plugins.module_utils.backup.report import Report
from ansible_collections.storewarden.ops.plugins.module_utils.backup.work import Work
from tests.contract import backup_engine
from tests.servers.backup_tools import search_path
from tests.servers.postgresql_clusters import PASS, Server, debian, pgbackrest, server

DAYS = (
    "INSERT INTO sale SELECT i, date '2026-01-01' + i % 200, i * 1.5"
    " FROM generate_series({0}, {1}) i"
)
_TABLES = """
CREATE TABLE sale (id int PRIMARY KEY, day date NOT NULL, amount numeric NOT NULL);
CREATE TABLE visit (at timestamptz NOT NULL, till int);
"""
_RUNS = itertools.count(1)


class Jobs:
    """Jobs of one policy over one server."""

    def __init__(self, shop: Server, method: str, repository: Path, **source: Any) -> None:
        self.shop = shop
        self.method = method
        self.repository = repository
        self.source = {"data": str(shop.data), "user": "postgres", "databases": ["shop"], **source}
        self.secret = shop.folder / "secret"
        self.secret.write_text(PASS + "\n")
        self.secret.chmod(0o600)

    def order(self, verb: str, *, secret: Path | None = None, **words: Any) -> Order:
        return Order(
            run=f"run-{next(_RUNS)}", verb=verb, host="srv", policy="shop", method=self.method,
            source=self.source, repository=str(words.pop("repository", self.repository)),
            secrets={"repository": str(secret or self.secret)}, **words,
        )  # fmt: skip

    def work(self, verb: str, **words: Any) -> Work:
        """A job's own things; its folder lies where the engine's would."""
        order = self.order(verb, **words)
        folder = self.shop.folder / "work" / order.run
        folder.mkdir(mode=0o700, parents=True)
        return Work(order, str(folder))

    def done(self, verb: str, **words: Any) -> Report:
        """A job as the engine does it, from the lock to the report."""
        return backup_engine.done(self.order(verb, **words), self.shop.folder / "root")

    def scratch(self) -> Path:
        folder = self.shop.folder / "scratch" / f"{next(_RUNS)}"
        folder.mkdir(mode=0o711, parents=True)
        return folder

    def copied(self) -> Path:
        """Another repository that is the same, to be damaged."""
        folder = self.shop.folder / f"copied-{next(_RUNS)}"
        shutil.copytree(self.repository, folder, symlinks=True)
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                shutil.chown(path, "postgres", "postgres")
        return folder


@contextmanager
def archiving(stanza: str = "shop") -> Iterator[Jobs]:
    """PostgreSQL 15 that archives into a local repository, with the tables of a shop."""
    program = pgbackrest()
    os.environ["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    with server(debian()) as shop:
        repository, conf = shop.folder / "repository", shop.folder / "archive.conf"
        cluster = Cluster(
            str(shop.data), shop.port, str(shop.folder), "postgres", "postgres", 15, "", ()
        )
        conf.write_text(configuration(str(repository), stanza, cluster, PASS, f"{repository}/lock"))
        shutil.chown(conf, "postgres")
        conf.chmod(0o600)
        command = f"{program} --config={conf} --stanza={stanza} archive-push %p"
        shop.settings(archive_mode="on", archive_command=command)
        shop.control("-m", "fast", "-l", str(shop.folder / "log"), "restart")
        stock(shop)
        yield Jobs(shop, "pgbackrest", repository, stanza=stanza)


@contextmanager
def plain(programs: Path, **settings: str) -> Iterator[Jobs]:
    """A server without any archive, for pg_basebackup into restic."""
    path = search_path(["restic"])
    if path is None:
        pytest.skip("restic cannot be had here")
    os.environ["PATH"] = path
    with server(programs, **settings) as shop:
        stock(shop)
        yield Jobs(shop, "pg-basebackup", shop.folder / "stores" / "repository")


def stock(shop: Server) -> None:
    """A database with two tables, one of them with a key that only grows."""
    shop.sql("CREATE DATABASE shop")
    shop.sql(_TABLES, "shop")
    shop.sql(DAYS.format(1, 20000), "shop")


def flipped(path: Path) -> None:
    """One bit in the middle of the file is another one."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def pause() -> float:
    """A moment that no transaction shares; seconds since 1970."""
    time.sleep(0.3)
    moment = time.time()
    time.sleep(0.3)
    return moment


__all__ = ["DAYS", "Jobs", "Limits", "Place", "archiving", "flipped", "pause", "plain", "stock"]
