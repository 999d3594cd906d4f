# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures, as ratios measured in one run: ``make bench`` rewrites docs/performance.md.

Contenders take turns (A B C, A B C, ...), so that a machine that slows down
slows all of them; the median of the rounds is what is reported.
"""
