# SPDX-License-Identifier: GPL-3.0-or-later
"""Chaos: faults that are made on purpose, to prove that healing works; decided without doing IO."""
