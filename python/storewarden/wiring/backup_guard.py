# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a site's rollouts off hosts without a backup; nothing at a site without policies."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import batched
from threading import Thread
from typing import TYPE_CHECKING

from storewarden.domain.backup.catalog import OWN_HOME, Target, Verb
from storewarden.domain.errors import StorewardenError
from storewarden.flows.backup_guard import BackupGuard, GuardParts
from storewarden.flows.backup_work import Asked, begin, run_name
from storewarden.ports.backup_hosts import BackupOrder
from storewarden.wiring.backup import groups_by_host, policies
from storewarden.wiring.backup_work import backup_site

if TYPE_CHECKING:
    from storewarden.domain.change.record import Change
    from storewarden.domain.estate.device import Device
    from storewarden.domain.rollout.record import Rollout
    from storewarden.flows.rollout_parts import EstateNow, Uncovered
    from storewarden.wiring.estate_source import EstateSource
    from storewarden.wiring.site import Site

LOG = logging.getLogger("storewarden.backups")

_HOSTS = 50  # of one visit (reference: guard rails)


def guard_of(site: Site, estate: EstateSource) -> Uncovered:
    """Tells rollouts which hosts must not begin. Raises ConfigInvalid for policies that are
    wrong."""
    if site.config.backup.policies is None:
        return _nothing
    layout = _Layout(estate)
    return BackupGuard(
        GuardParts(
            policies=policies(site),
            devices=lambda: layout().devices,
            groups=lambda: layout().groups,
            catalog=site.ledger.backups,
            take_extra=ExtraSets(site, estate),
            places={*site.config.backup.locations, OWN_HOME},
        )
    )


class ExtraSets:
    """Orders extra sets in a thread of its own: hosts are visited, and rollouts wait for nobody.
    What comes of it stands in the catalog, like that of every run."""

    def __init__(self, site: Site, estate: EstateSource) -> None:
        self._of, self._clock = backup_site(site, estate), site.clock

    def __call__(self, targets: Sequence[Target], change: str) -> None:
        asked = [self._asked(each, change) for each in targets]
        Thread(target=self._take, args=(asked,), name="extra-backups", daemon=True).start()

    def _asked(self, target: Target, change: str) -> Asked:
        policy, home = self._of.policies[target.policy], self._of.home(target)
        order = BackupOrder(
            run=run_name(target, Verb.TAKE, home, self._clock.now(), (1, 1)),
            target=target,
            on=target.host,
            verb=Verb.TAKE,
            policy=policy,
            location=home,
            kib=self._of.kib(policy),
        )
        return Asked(order=order, change=change)

    def _take(self, asked: Sequence[Asked]) -> None:
        try:
            work = self._of.work(lambda _seconds: True)
            for some in batched(asked, _HOSTS):
                begin(work, some)
        except StorewardenError as error:
            LOG.warning("extra backups were not begun", extra={"fields": {"error": str(error)}})


def _nothing(
    _rollout: Rollout, _change: Change | None, _now: datetime
) -> Mapping[str, tuple[str, str]]:
    return {}


class _LaidOut:
    def __init__(self, estate: EstateNow) -> None:
        self.estate = estate
        self.devices: Mapping[str, Device] = {each.name: each for each in estate.devices}
        self.groups = groups_by_host(estate.inventory.groups)


class _Layout:
    """The estate by name, laid out anew only when it was read again."""

    def __init__(self, estate: EstateSource) -> None:
        self._estate = estate
        self._known: _LaidOut | None = None

    def __call__(self) -> _LaidOut:
        found = self._estate()
        if self._known is None or self._known.estate is not found:
            self._known = _LaidOut(found)
        return self._known
