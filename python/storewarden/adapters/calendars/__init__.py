# SPDX-License-Identifier: GPL-3.0-or-later
"""Calendars as they come: YAML files of the site, iCalendar files, public holidays."""
