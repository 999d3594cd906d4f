# SPDX-License-Identifier: GPL-3.0-or-later
"""Three readers of one host, before and after hardening and after a reboot.

``python -m tests.validation`` (root; about ten minutes) writes docs/validation.md.
"""
