# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves the ledger for other systems: when to try, when to wait, what to say."""
