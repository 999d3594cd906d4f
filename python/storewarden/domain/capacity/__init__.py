# SPDX-License-Identifier: GPL-3.0-or-later
"""Capacity: how much of what may be down at once; shared by rollouts and healing."""
