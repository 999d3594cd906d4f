# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of ``storewarden rollout``, in the order of its help."""

from __future__ import annotations

from storewarden.cli import rollout_look as look
from storewarden.cli import rollout_orders as orders
from storewarden.cli.rollout import rollout
from storewarden.cli.rollout_start import start
from storewarden.cli.rollout_watch import watch

rollout.command()(start)
rollout.command()(watch)
rollout.command()(look.status)
rollout.command("list")(look.list_)
rollout.command()(orders.promote)
rollout.command()(orders.pause)
rollout.command()(orders.resume)
rollout.command()(orders.abort)
rollout.command()(orders.rollback)
rollout.command()(orders.release)
rollout.command()(orders.cancel)
rollout.command("stop-all")(orders.stop_all)
rollout.command("go-on")(orders.go_on)

__all__ = ["rollout"]
