# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP application of one site.

Routes lie in one file per noun. There are no documentation pages here, since theirs load
scripts from elsewhere; the OpenAPI document is at /api/v1/openapi.json.
"""

from __future__ import annotations

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

import storewarden
from storewarden.web import (
    alerts,
    backups,
    changes,
    documents,
    health,
    hooks,
    incidents,
    people,
    reports,
    rollouts,
)
from storewarden.web.access import AccessGate
from storewarden.web.answers import answer_errors
from storewarden.web.hook_gate import HookGate
from storewarden.web.hook_keys import HookKeys
from storewarden.web.hooks import HookMeter
from storewarden.web.limits import BodyLimit
from storewarden.web.metrics import Meter, RequestMeter
from storewarden.web.parts import ServiceStatus, WebParts
from storewarden.wiring import Site
from storewarden.wiring.alerts import AlertReceiver, alert_receiver

_bearer = HTTPBearer(auto_error=False, description="a personal token: storewarden person token")
_ABOUT = "Changes, approvals and who made them. Times are UTC; errors are one JSON object."


def create_app(site: Site, status: ServiceStatus, receiver: AlertReceiver | None = None) -> FastAPI:
    """The application over an open site; ``status`` tells of the controller's duties;
    ``receiver`` takes alerts, by default into the site's ledger.

    Raises ConfigInvalid for broken people or token files and for senders of alerts, LedgerConflict
    and AdapterError for the ledger: a service that could not answer does not start.
    """
    parts = WebParts(
        site=site,
        status=status,
        ledger=site.ledger,
        people=site.people,
        index=site.change_index,
    )
    meter, receiver = Meter(parts), receiver or alert_receiver(site)
    hook_meter = HookMeter(meter.registry)
    keys = HookKeys(receiver.sources, receiver.secrets, site.clock)
    app = FastAPI(
        title="storewarden",
        version=storewarden.__version__,
        description=_ABOUT,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts, app.state.meter = parts, meter
    app.state.hooks = hooks.Hooks(intake=receiver.intake, meter=hook_meter)
    for noun in (alerts, backups, changes, documents, incidents, people, reports, rollouts):
        app.include_router(noun.router, prefix="/api/v1", dependencies=[Depends(_bearer)])
    app.include_router(health.router)
    app.include_router(hooks.router)
    answer_errors(app)
    # Added last is met first: everything is counted, sizes are judged after the token.
    app.add_middleware(BodyLimit, documents=documents.SUFFIX)
    app.add_middleware(HookGate, keys=keys, meter=hook_meter)
    app.add_middleware(AccessGate, people=parts.people)
    app.add_middleware(RequestMeter, meter=meter)
    return app


__all__ = ["ServiceStatus", "create_app"]
