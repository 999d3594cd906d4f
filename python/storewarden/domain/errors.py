# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can go wrong, as data.

One root, a few leaves. A leaf says *whose* fault it was, because that is what
decides the exit code and whether trying again makes sense. Errors carry what
the reader needs (what, where, what to do) and never log or print themselves;
the command line maps each leaf to an exit code in one table
(``storewarden.cli.exits``).
"""

from __future__ import annotations

from datetime import timedelta


class StorewardenError(Exception):
    """Root of every error this library raises on purpose.

    ``what`` is one sentence without a full stop, ``where`` names a file, a
    host or an option, ``hint`` says what to do about it.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        """One line: ``where: what (hint)``, as the operator reads it."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        line = f"{head} ({self.hint})" if self.hint else head
        return " ".join(line.split())


class ConfigInvalid(StorewardenError):
    """A file, an option or a variable of the site is wrong; nothing was started."""


class Refused(StorewardenError):
    """A rule forbids it (window, approval, guard rail). Not a failure: a decision with a reason."""


class TargetUnreachable(StorewardenError):
    """A host could not be spoken to."""


class RunFailed(StorewardenError):
    """A playbook run did not do what it was asked to do."""


class GateFailed(StorewardenError):
    """Evidence was judged and found wanting."""


class AdapterError(StorewardenError):
    """A foreign system misbehaved; ``retryable`` tells whether asking again can help.

    ``retry_after`` is how long to wait at least: because the other side asked for it (HTTP's
    Retry-After), or because it may still be at something that it did not answer.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        retryable: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.retryable = retryable
        self.retry_after = retry_after


class LedgerConflict(StorewardenError):
    """The ledger does not say what it should: altered, cut off, locked or of another version."""


class ContentMissing(StorewardenError):
    """A playbook, role, control or tool that this operation needs is not installed."""
