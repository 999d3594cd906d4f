# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates: evidence in, a verdict with its reason out. Pure; who fetches evidence is no gate.

One module per kind: ``NEEDS``, a frozen ``Settings`` with ``read``, and ``judge(signal, settings,
scope)``. ``combine`` adds what holds for all.
"""
