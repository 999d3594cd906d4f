# SPDX-License-Identifier: GPL-3.0-or-later
"""Where adapters are chosen: the only room that knows all of them."""

from storewarden.wiring.site import AuditOptions, Site, open_site, rendered

__all__ = ["AuditOptions", "Site", "open_site", "rendered"]
