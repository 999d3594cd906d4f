# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden worker`: run rollouts' dispatches on one more machine, until somebody stops it."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from typing import Annotated

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, site_config

_PATIENCE = timedelta(seconds=10)  # from the signal to the end, whatever still runs


def worker(
    config: Config = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Its name; the machine's by default.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Log lines as JSON.")] = False,
) -> int:
    """Run dispatches of rollouts beside the controller (PostgreSQL only). Stop it with TERM."""
    from storewarden.adapters.systemd import Notifier  # noqa: PLC0415
    from storewarden.cli.service_log import log_to_stderr  # noqa: PLC0415 - only long verbs
    from storewarden.wiring.interrupts import interruption  # noqa: PLC0415
    from storewarden.wiring.rollout_worker import RolloutWorker  # noqa: PLC0415 - DBOS, a second

    settings = site_config(config)
    log_to_stderr(as_json=as_json)
    notifier = Notifier(os.environ)
    with RolloutWorker(settings, name) as found, interruption() as stop:
        found.start()
        notifier.ready(f"works as {found.name}")
        typer.echo(f"storewarden: the worker {found.name} takes dispatches (pid {os.getpid()})")
        while not stop.wait(1.0):
            found.require_alone()
            notifier.alive()
        notifier.stopping()
        _end_anyway()
        found.stop(_PATIENCE / 2)
    return Exit.FINE


def _end_anyway() -> None:
    """What hangs goes on under its supervisor; a stop must not wait for it."""
    timer = threading.Timer(_PATIENCE.total_seconds(), os._exit, args=(Exit.FINE,))
    timer.daemon = True
    timer.start()
