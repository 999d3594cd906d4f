# SPDX-License-Identifier: GPL-3.0-or-later
"""When work is allowed: windows, blackouts, and which rule forbids what."""
