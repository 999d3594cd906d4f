# SPDX-License-Identifier: GPL-3.0-or-later
"""What flows ask of the outside, one protocol per file; adapters answer."""
