# SPDX-License-Identifier: GPL-3.0-or-later
"""Healing: what is done about an alert, and why, or why not."""
