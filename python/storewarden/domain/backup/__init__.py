# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that are proven: what is to be taken, what there is, and what it is worth."""
