# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the payload needs of a package manager, whichever a host has."""

from __future__ import annotations

from typing import Any, NamedTuple, Sequence

from ansible_collections.storewarden.ops.plugins.module_utils.restore.system import Host

from .failures import PackageError
from .transaction import Move, Simulation, Staged


class Installed(NamedTuple):
    """A package as the host has it; ``status`` is ``installed`` when all is well."""

    version: str
    arch: str
    status: str = "installed"


class Offer(NamedTuple):
    """A version that a repository offers; ``unpacked`` is bytes on disk."""

    sha256: str
    size: int
    unpacked: int


class Ask(NamedTuple):
    """A question to the package manager: ``words`` are ``name`` or ``name=version``."""

    words: tuple[str, ...] = ()
    upgrade: bool = False
    removals: bool = False  # may the answer name packages that go?
    gone: tuple[str, ...] = ()  # packages that have to go
    hold: tuple[str, ...] = ()


class Backend:
    """One package manager on one host. All raise PackageError with its own words."""

    system = ""

    def __init__(self, host: Host) -> None:
        self.host = host

    def locks(self) -> list[str]:
        """Files that other package programs lock while they work."""
        raise NotImplementedError

    def interrupted(self) -> dict[str, str]:
        """Packages that an interrupted run left half way -> status; it can be finished."""
        raise NotImplementedError

    def broken(self) -> list[str]:
        """Packages that only a new installation would repair."""
        raise NotImplementedError

    def audit(self) -> list[str]:
        """What the package database itself complains of, one line each."""
        raise NotImplementedError

    def installed(self, names: Sequence[str]) -> dict[str, Installed]:
        """Those of the names that are on the host."""
        raise NotImplementedError

    def held(self) -> list[str]:
        """Packages that people have put on hold."""
        raise NotImplementedError

    def newer(self, one: str, other: str) -> bool:
        """Whether version `one` comes after `other`."""
        raise NotImplementedError

    def refresh(self, seconds: float) -> None:
        """Renew the lists of what the repositories offer; all of them, or PackageError."""
        raise NotImplementedError

    def simulate(self, ask: Ask) -> Simulation:
        """What would happen; nothing is changed."""
        raise NotImplementedError

    def security(self, archives: Sequence[str], hold: Sequence[str]) -> Simulation:
        """What only security updates would do. `archives`: parts of the names of the archives
        that have them, where no advisory says it."""
        raise NotImplementedError

    def offers(self, moves: Sequence[Move]) -> dict[str, list[Offer]]:
        """Name -> what the repositories offer of exactly the new version."""
        raise NotImplementedError

    def stage(self, moves: Sequence[Move]) -> dict[str, Staged]:
        """Download exactly these versions, all of them, and read their digests."""
        raise NotImplementedError

    def stored(self, moves: Sequence[Move]) -> dict[str, str]:
        """Name -> where `stage` has put the file."""
        raise NotImplementedError

    def store_folder(self) -> str:
        """Where staged files lie."""
        raise NotImplementedError

    def contents(self, name: str, staged: str = "") -> list[str]:
        """Paths of an installed package, and of the file that is to replace it."""
        raise NotImplementedError

    def transaction(
        self, simulation: Simulation, digests: dict[str, str], repair: bool
    ) -> list[str]:
        """The command that makes the transaction, and nothing else, from staged files that have
        these digests (name -> SHA-256); with `repair` it finishes an interrupted run first."""
        raise NotImplementedError


def found_on(host: Host, stage: str = "") -> Any:
    """The package manager of this host, with the folder for its downloads; PackageError when
    there is none that we know."""
    from .apt import Apt
    from .dnf import Dnf

    for kind, programs in ((Apt, ("apt-get", "dpkg")), (Dnf, ("dnf", "rpm"))):
        if all(host.has(program) for program in programs):
            return kind(host, stage) if stage else kind(host)
    raise PackageError("this host has neither apt nor dnf", "本机既没有 apt 也没有 dnf")
