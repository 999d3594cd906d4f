# SPDX-License-Identifier: GPL-3.0-or-later
"""The service over HTTP: parse, call, answer. What is decided is decided elsewhere."""

from storewarden.web.app import ServiceStatus, create_app

__all__ = ["ServiceStatus", "create_app"]
