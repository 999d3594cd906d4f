# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker of one site: a machine that runs dispatches, beside the controller's.

It needs a ledger on a server, because a file has one writer's machine. Its state directory is its
own: runs and leases lie there. When it dies, what it had begun is told as lost and probed; when it
comes back under the same name, it takes up its own work.
"""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from storewarden.adapters.engine.lock import ControllerLock
from storewarden.domain.errors import ConfigInvalid, StorewardenError
from storewarden.ports.engine import Engine
from storewarden.wiring.rollout_duty import CONTROLLER, first_beat, worker_share
from storewarden.wiring.rollout_parts import worker_name
from storewarden.wiring.secrets import ledger_password
from storewarden.wiring.single import Single, single_worker
from storewarden.wiring.site import Site, open_site

if TYPE_CHECKING:
    from storewarden.config.site import SiteConfig

_LOCK = "worker.lock"


class RolloutWorker:
    """The site, held open, and its dispatches. Use it in a ``with``; entering takes the lock of
    the state directory (Refused when another worker has it)."""

    def __init__(self, config: SiteConfig, name: str = "") -> None:
        """Raises ConfigInvalid for a site whose ledger is a file."""
        if config.ledger_file is not None:
            raise ConfigInvalid(
                "a worker needs a ledger on PostgreSQL",
                where="ledger",
                hint="with SQLite the controller does all the work: storewarden serve",
            )
        self.name = worker_name(name)
        if self.name == CONTROLLER:
            raise ConfigInvalid("is the controller's own name", where="--name", hint="another one")
        self.config = config
        self._lock = ControllerLock(config.state_dir, name=_LOCK, whose="state_dir")
        self._site: Site | None = None
        self._single: Single | None = None
        self._engine: Engine | None = None

    def __enter__(self) -> Self:
        """Take the lock and the name, and open the site. Raises Refused when another worker has
        one of them."""
        self._lock.take()
        try:
            self._site = open_site(self.config)
            self._single = single_worker(self._site, self.name)
            self._single.take()
        except StorewardenError:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of everything."""
        self.stop(timedelta(seconds=1))
        if self._single is not None:
            self._single.release()
        self._close()

    def require_alone(self) -> None:
        """Raises Refused when another process took this name, while the server was away from
        here. Cheap: asked for every second."""
        if self._single is not None:
            self._single.require()

    def _close(self) -> None:
        if self._site is not None:
            self._site.close()
        self._lock.release()

    def start(self) -> None:
        """Begin to take dispatches, or take up what a crash left. Raises ConfigInvalid for a
        site without an inventory."""
        from storewarden.adapters.engine.durable import DurableEngine  # noqa: PLC0415 - 1 s, 64 MB

        assert self._site is not None, "entered first"  # noqa: S101
        if not self.config.inventory:
            raise ConfigInvalid("the site has no inventory", hint="inventory of storewarden.yml")
        self._site.keep_warm()
        share = worker_share(self._site, self.name, lambda: self._engine)
        engine = DurableEngine(
            str(self.config.ledger),
            clock=self._site.clock,
            password=ledger_password(self.config),
            executor=self.name,
        )
        first_beat(self._site, self.name)
        self._engine = engine
        try:
            engine.start(share.duties, share.works)
        except StorewardenError:
            self._engine = None
            raise

    def stop(self, patience: timedelta) -> None:
        """Let running looks end; plays run on, and are adopted by the next start."""
        if self._engine is not None:
            self._engine.stop(patience)
            self._engine = None
