# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup jobs at one site: whom to ask, with which secrets, and where what lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from storewarden.domain.backup.catalog import OWN_HOME, Run, Target, Verb
from storewarden.domain.backup.policy import CONTROLLER, Method, Policy, with_controller
from storewarden.domain.errors import ConfigInvalid
from storewarden.flows.backup_plan import PlanParts, bound_policies
from storewarden.flows.backup_play import BackupPlay
from storewarden.flows.backup_words import PlaceWords
from storewarden.flows.backup_work import Asked, Outcome, WorkParts, ordered
from storewarden.ports.backup_hosts import BackupOrder
from storewarden.ports.secrets import Secret
from storewarden.wiring.backup import device_folder, groups_by_host, lines_of, policies
from storewarden.wiring.backup_own import own_variables
from storewarden.wiring.estate_source import EstateSource
from storewarden.wiring.play_settings import play_settings
from storewarden.wiring.secrets import site_secrets

if TYPE_CHECKING:
    from storewarden.domain.estate.device import Device
    from storewarden.flows.rollout_parts import EstateNow
    from storewarden.wiring.site import Site

_AWAY = frozenset({Verb.VERIFY, Verb.DRILL, Verb.PRUNE, Verb.CANARY})
"""What the host may do that looks after a place; everything else the target's own host does."""

_LOCAL_KINDS = frozenset({"host", "path"})
_NO_REPOSITORY = frozenset({Method.NETWORK})


PATIENCE = 15.0
"""Seconds that one visit waits on the host for the end of a job: most need no second visit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One target with its device and its policy."""

    target: Target
    policy: Policy
    device: Device


@dataclass
class BackupSite:
    """What a site's settings say of backup jobs; nothing is read before it is asked for."""

    site: Site
    estate: EstateSource
    root: str = ""
    _known: tuple[EstateNow, tuple[Bound, ...]] | None = field(default=None, init=False)

    @cached_property
    def policies(self) -> Mapping[str, Policy]:
        """The policies by id. Raises ConfigInvalid, also when one needs a password that the
        settings do not name."""
        found = {each.id: each for each in policies(self.site)}
        needs = next((each for each in found.values() if each.method not in _NO_REPOSITORY), None)
        if needs is not None and self.site.config.backup.secrets.repository is None:
            raise ConfigInvalid(
                f"the policy {needs.id} needs the password of its repositories",
                where="backup.secrets.repository",
                hint="a reference such as file:/etc/storewarden/backup/{host}",
            )
        return found

    @cached_property
    def places(self) -> dict[str, PlaceWords]:
        """The site's places as orders name them."""
        there = self.site.config.backup.locations
        return {name: PlaceWords(kind=each.kind, words=each.words) for name, each in there.items()}

    @property
    def local(self) -> frozenset[str]:
        """Places that need no line."""
        return frozenset(name for name, each in self.places.items() if each.kind in _LOCAL_KINDS)

    def plan_parts(self, chain: Callable[[str, str], bool]) -> PlanParts:
        """What planning a night takes. Raises ConfigInvalid."""
        now = self.estate()
        home, groups = (
            ZoneInfo(self.site.config.site.timezone),
            groups_by_host(now.inventory.groups),
        )
        return PlanParts(
            devices=with_controller(now.devices, self.policies.values()),
            policies=tuple(self.policies.values()),
            groups=lambda host: groups.get(host, ()),
            zone=lambda device: ZoneInfo(device.tz) if device.tz else home,
            lines=lines_of(self.site.config.backup),
            chain=chain,
        )

    def bound(self) -> tuple[Bound, ...]:
        """Every target of the estate; the same object while the inventory is."""
        now = self.estate()
        if self._known is None or self._known[0] is not now:
            parts = self.plan_parts(lambda _host, _policy: True)
            found = tuple(
                Bound(target=Target(host=device.name, policy=each.id), policy=each, device=device)
                for device in parts.devices
                for each in bound_policies(parts, device)
            )
            self._known = (now, found)
        return self._known[1]

    def home(self, target: Target) -> str:
        """The place of a target's own repository."""
        policy = self.policies.get(target.policy)
        return home_of(self.site, policy) if policy else OWN_HOME

    def copied_to(self, policy: Policy) -> tuple[str, ...]:
        """The places to which sets of a policy are copied."""
        there = self.site.config.backup.locations
        names = (each.location for each in policy.copies)
        return tuple(each for each in names if there[each].kind != "host")

    def on(self, target: Target, location: str, verb: Verb = Verb.VERIFY) -> str:
        """The host that does a job at a place; for a network device this machine does all."""
        if self._method(target) is Method.NETWORK:
            return CONTROLLER.name
        place = self.site.config.backup.locations.get(location)
        if place is not None and place.verifier and verb in _AWAY:
            if verb is Verb.DRILL and self._method(target) is Method.LEDGER:
                return target.host  # to open it takes storewarden
            return place.verifier
        return target.host

    def _method(self, target: Target) -> Method | None:
        policy = self.policies.get(target.policy)
        return policy.method if policy is not None else None

    def policy_for(self, target: Target) -> Policy:
        """The policy as orders have it: what was read of a device lies in a folder of its own."""
        policy = self.policies[target.policy]
        if policy.method is not Method.NETWORK:
            return policy
        folder = device_folder(self.site) / target.host
        return replace(policy, source={**policy.source, "repository": str(folder)})

    def again(self, run: Run) -> BackupOrder | None:
        """The order of a run of the catalog."""
        policy = self.policies.get(run.target.policy)
        if policy is None:
            return None
        return BackupOrder(
            run=run.id,
            target=run.target,
            on=self.on(run.target, run.location, run.verb),
            verb=run.verb,
            policy=self.policy_for(run.target),
            kind=run.kind,
            sets=run.sets,
            location=run.location,
            level=run.level,
            kib=self.kib(policy),
        )

    def kib(self, policy: Policy) -> int:
        """KiB/s that a policy's jobs may take of the line, 0 for all of it."""
        return policy.bandwidth or self.site.config.backup.lines.kib

    def secrets(self, order: BackupOrder) -> dict[str, Secret]:
        """What one order needs, under the names of docs/reference/backup-locations.md. Raises
        ConfigInvalid and AdapterError, never with a secret in it."""
        config, vault = self.site.config.backup, site_secrets(self.site.config)

        def read(reference: str) -> Secret:
            place = reference.replace("{host}", order.target.host)
            return vault.read(place.replace("{policy}", order.target.policy))

        found = {}
        network = order.policy.method is Method.NETWORK  # what is read of them is in no repository
        if config.secrets.repository is not None and not network:
            found["repository"] = read(config.secrets.repository)
        if order.policy.id in config.secrets.passwords:
            found["password"] = read(config.secrets.passwords[order.policy.id])
        place = config.locations.get(order.location)
        if place is None:
            return found
        name, deleting = order.location, order.verb is Verb.PRUNE
        found |= {
            f"{name}_{key}": read(each) for key, each in place.secrets(deleting=deleting).items()
        }
        for key, file in place.files.items():
            found[f"{name}_{key}"] = Secret(_text(file, f"backup.locations.{name}.{key}"))
        return found

    def play(self, patience: float = 0.0) -> BackupPlay:
        """The way to the hosts; ``patience`` are seconds that a visit waits for a job's end."""
        return BackupPlay(
            runner=self.site.runner,
            estate=self.estate,
            clock=self.site.clock,
            places=self.places,
            secrets=self.secrets,
            settings=play_settings(self.site),
            here=CONTROLLER.name,
            own=own_variables(self.site.config),
            root=self.root,
            patience=patience,
        )

    def work(self, wait: Callable[[float], bool], *, patience: float = 0.0) -> WorkParts:
        """What carrying out orders takes. Raises ConfigInvalid."""
        _ = self.policies
        return WorkParts(
            catalog=self.site.ledger.backups,
            hosts=self.play(patience),
            clock=self.site.clock,
            again=self.again,
            home=self.home,
            wait=wait,
        )


def home_of(site: Site, policy: Policy) -> str:
    """The place of kind host among a policy's copies."""
    there = site.config.backup.locations
    names = (each.location for each in policy.copies)
    return next((each for each in names if there[each].kind == "host"), OWN_HOME)


def backup_site(site: Site, estate: EstateSource | None = None) -> BackupSite:
    """The site's backups."""
    return BackupSite(site=site, estate=estate or EstateSource(site))


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """Runs orders to their end (``flows.drill.Carry``); ``by`` asked for them."""

    parts: WorkParts
    by: str = ""
    told: Callable[[Outcome], None] = lambda _outcome: None

    def __call__(self, orders: Sequence[BackupOrder], *, change: str = "") -> Mapping[str, Outcome]:
        """Run id -> what came of it."""
        asked = [Asked(order=each, by=self.by, change=change) for each in orders]
        return {each.run.id: each for each in ordered(self.parts, asked, self.told)}


def _text(file: Path, where: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise ConfigInvalid(f"cannot be read: {reason.lower()}", where=where) from None
