# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets, known hosts and collections, as every run at a site gets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storewarden.flows.rollout_parts import PlaySettings

if TYPE_CHECKING:
    from storewarden.wiring.site import Site


def play_settings(site: Site) -> PlaySettings:
    """What every run at this site is given."""
    from storewarden.wiring.site import AuditOptions  # noqa: PLC0415 - it imports us

    audit = site.audit_request(AuditOptions())
    return PlaySettings(
        secrets=audit.secrets, known_hosts=audit.known_hosts, collections=audit.collections
    )
