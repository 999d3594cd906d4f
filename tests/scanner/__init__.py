# SPDX-License-Identifier: GPL-3.0-or-later
"""Our verdicts beside OpenSCAP's, on the same host in the same state.

A second opinion is worth something only when both sides measure the same
number, so the data stream is tailored to our parameters; and only when nothing
is quietly left out, so selected rules must equal evaluated rules and every
not-applicable one is counted.
"""
