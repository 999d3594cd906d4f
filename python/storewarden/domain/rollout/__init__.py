# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts: waves of stores, what each host goes through, and how it is all taken back."""
