# SPDX-License-Identifier: GPL-3.0-or-later
"""`storewarden serve`: the one controller, until somebody stops it."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from storewarden.cli.exits import Exit
from storewarden.cli.options import Config, site_config
from storewarden.domain.errors import AdapterError, ConfigInvalid

if TYPE_CHECKING:
    from storewarden.wiring.controller import Controller

_PATIENCE = timedelta(seconds=9)  # from the signal to the end, whatever still runs
_GRACE = timedelta(seconds=1)  # for threads that are left when everything is closed
_LOOK = 1.0  # seconds


def serve(
    config: Config = None,
    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDRESS:PORT", help="Where to listen; port 0: any.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Log lines as JSON.")] = False,
) -> int:
    """Run the controller: API, tickets, notifications, reminders, anchors. Stop it with TERM."""
    from storewarden.cli.service_log import log_to_stderr  # noqa: PLC0415 - only this command
    from storewarden.wiring.controller import Controller  # noqa: PLC0415 - DBOS costs a second

    settings = site_config(config)
    host, port = _address(listen or settings.controller.listen)
    log_to_stderr(as_json=as_json)
    with Controller(settings) as controller:
        _serve(controller, host, port)
    _end_anyway(_GRACE)  # Python itself would wait for whoever waits for an answer
    return Exit.FINE


def _address(text: str) -> tuple[str, int]:
    from storewarden.config.controller import listen_address  # noqa: PLC0415 - pydantic

    try:
        return listen_address(text)
    except ValueError as error:
        raise ConfigInvalid(str(error), where="--listen", hint=f"is {text[:60]}") from None


def _serve(controller: Controller, host: str, port: int) -> None:
    from storewarden.adapters.systemd import Notifier  # noqa: PLC0415
    from storewarden.web import create_app  # noqa: PLC0415 - FastAPI costs half a second
    from storewarden.web.server import Server  # noqa: PLC0415
    from storewarden.wiring.alerts import alert_receiver  # noqa: PLC0415
    from storewarden.wiring.interrupts import interruption  # noqa: PLC0415

    server, notifier = Server(host, port), Notifier(os.environ)
    with interruption() as stop:
        app = create_app(
            controller.site, controller, alert_receiver(controller.site, controller.wake)
        )
        controller.start()
        server.start(app)
        controller.announce(server.url)
        notifier.ready(f"listens on {server.url}")
        typer.echo(f"storewarden: the controller listens on {server.url} (pid {os.getpid()})")
        look = notifier.watchdog.total_seconds() if notifier.watchdog else _LOOK
        while not stop.wait(min(look, _LOOK)):
            if not server.serving:
                raise AdapterError("the HTTP server ended by itself", where=server.url)
            controller.require_alone()
            if controller.alive():
                notifier.alive()
        notifier.stopping()
        _end_anyway(_PATIENCE)
        server.stop(_PATIENCE / 4)
        controller.stop(_PATIENCE / 2)


def _end_anyway(patience: timedelta) -> None:
    """What hangs is taken up by the next controller; a stop must not wait for it.

    Exit status 0: everything that was acknowledged is on the disk.
    """
    timer = threading.Timer(patience.total_seconds(), os._exit, args=(Exit.FINE,))
    timer.daemon = True
    timer.start()
