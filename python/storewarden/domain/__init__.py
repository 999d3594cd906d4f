# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided, and why: facts and ``now`` in, decisions with reasons out.

Two rules hold for every file below here. It performs no IO and reads no clock;
and what it returns says *why*, because the reason is what ends up in the
ticket. Both are checked by the import contracts and by ruff.
"""
