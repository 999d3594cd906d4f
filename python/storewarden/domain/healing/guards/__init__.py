# SPDX-License-Identifier: GPL-3.0-or-later
"""The guards: each says in a file of its own what it is against; ``table.py`` has their order."""
