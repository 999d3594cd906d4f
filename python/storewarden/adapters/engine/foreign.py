# SPDX-License-Identifier: GPL-3.0-or-later
"""How DBOS is set up here: JSON only, no network, no telemetry, its log in ours."""

from __future__ import annotations

import logging
import os

from dbos import DBOSConfig
from sqlalchemy import Engine as Database

from storewarden.adapters.engine.pulse import LOG
from storewarden.domain.errors import Refused

VERSION = "sw-wf-1"
"""Changes only with the steps of the workflow, which data and duties make unnecessary."""

RECOVERIES = 5
CONTROLLER = "controller"
"""The executor that controllers are, on any machine: a restarted one finds what it left."""

SCHEMA = "storewarden_engine"
"""PostgreSQL: beside the ledger's tables, not among them."""

_THREADS = 16
_RARELY = 60.0  # seconds between looks for schedules, which are not used here


def settings(database: Database, executor: str = CONTROLLER) -> DBOSConfig:
    """The configuration over ``database``; ``executor`` is the name of this process, which it
    keeps when it is started again. Raises Refused where DBOS would call home."""
    if os.environ.get("DBOS__CLOUD") == "true":
        raise Refused(
            "DBOS__CLOUD is set, which would connect to a service outside",
            where="environment",
            hint="unset it",
        )
    from dbos._serialization import DBOSPortableJSON  # noqa: PLC0415 - exported nowhere else

    return {
        "name": "storewarden",
        "system_database_url": database.url.render_as_string(hide_password=False),
        "system_database_engine": database,
        "dbos_system_schema": SCHEMA,
        "application_version": VERSION,
        "executor_id": executor,
        "serializer": DBOSPortableJSON,
        "enable_otlp": False,
        "log_level": "WARNING",
        "max_executor_threads": _THREADS,
        "scheduler_polling_interval_sec": _RARELY,
    }


class _Passed(logging.Handler):
    """The first line of what DBOS says; its exceptions may quote statements."""

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage().splitlines()
        LOG.log(record.levelno, "engine: %s", said[0][:300] if said else "")


def silence() -> None:
    """Send DBOS's log to ours; call it after DBOS has set up its own."""
    logger = logging.getLogger("dbos")
    logger.handlers, logger.propagate = [_Passed(logging.WARNING)], False
