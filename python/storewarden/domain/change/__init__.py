# SPDX-License-Identifier: GPL-3.0-or-later
"""A change: who asked for what on which machines, who allowed it, and how it ended."""
