# SPDX-License-Identifier: GPL-3.0-or-later
"""Every inbox of alerts keeps the same promises."""

from __future__ import annotations

import pytest

from storewarden.testing.alerts import MemoryInbox
from storewarden.testing.conformance_alerts import InboxConformance


class TestMemory(InboxConformance):
    @pytest.fixture
    def inbox(self) -> MemoryInbox:
        return MemoryInbox()
