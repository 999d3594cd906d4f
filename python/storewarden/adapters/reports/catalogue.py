# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of reports: one file per language, the same keys in each.

Verdict words, headings and advice are looked up here by every format, so a
report is wholly in one language.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import cast

import yaml

from storewarden.ports.reports import Language


@cache
def words(language: Language) -> Mapping[str, str]:
    """All texts of ``language``, by key."""
    text = (files(__package__) / "words" / f"{language.value}.yml").read_text(encoding="utf-8")
    return cast("dict[str, str]", yaml.safe_load(text))
