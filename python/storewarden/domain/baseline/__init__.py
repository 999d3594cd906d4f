# SPDX-License-Identifier: GPL-3.0-or-later
"""Baselines: what the evaluator on the host returned, scored and compared.

The verdict of one control on one host is made on the host, by the collection's
evaluator. This room never judges a control again: it counts, weighs, waives,
and finds what drifted.
"""
