# SPDX-License-Identifier: GPL-3.0-or-later
"""The durable engine, on DBOS: the only room that imports it.

Nothing here is imported by reading verbs: DBOS costs a second and 64 MB. Ask for
``storewarden.adapters.engine.durable`` where a controller is started.
"""
