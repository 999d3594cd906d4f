# SPDX-License-Identifier: GPL-3.0-or-later
"""storewarden: every change to every machine of a chain of stores, inside its window, on its
ticket, on a few stores first, and revocable."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("storewarden")
except PackageNotFoundError:  # a bare checkout that nobody installed
    __version__ = "0"
