# SPDX-License-Identifier: GPL-3.0-or-later
"""The estate: which devices there are, what is known of each, and whether to believe the list."""
