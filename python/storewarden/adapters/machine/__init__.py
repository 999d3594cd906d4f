# SPDX-License-Identifier: GPL-3.0-or-later
"""The Machine port on the machine itself: reads, asks two programs, changes nothing."""

from storewarden.adapters.machine.look import LocalMachine

__all__ = ["LocalMachine"]
