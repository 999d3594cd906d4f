# SPDX-License-Identifier: GPL-3.0-or-later
"""What a site can add without touching our code: modules, found by their names.

An extension is one module that has the parts its family asks for (``Settings`` and
``connect``, say). It is found because it lies in the family's folder, or because an installed
distribution names it by an entry point of the family's group. Two of one name are an error:
which of them works must never depend on the order of installation.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from storewarden.domain.errors import ConfigInvalid

OURS = "storewarden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """One extension; ``origin`` says who brought it. Loaded when it is used."""

    name: str
    origin: str
    load: Callable[[], Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family[E: Extension]:
    """Extensions of one kind: where they are found, what each has, how refusals call them.

    ``folder`` is the dotted name of our own package of them, ``parts`` are the names that
    make a module of it one of them, ``kind`` is made for each. ``one`` and ``many`` are words
    ("ticket system"), ``unknown`` is the refusal of a name that nobody has, ``guide`` a page.
    """

    kind: type[E]
    folder: str
    group: str
    parts: tuple[str, ...]
    one: str
    many: str
    unknown: str
    guide: str

    def found(self, others: Iterable[EntryPoint] | None = None) -> Mapping[str, E]:
        """Every extension by its name. ``others``: entry points; by default the installed ones.

        Raises ConfigInvalid for two of one name.
        """
        known = {each.name: each for each in self._own()}
        for point in entry_points(group=self.group) if others is None else others:
            each = self._foreign(point)
            if each.name in known:
                raise ConfigInvalid(
                    f"two {self.many} are called {each.name}",
                    where=f"{known[each.name].origin} and {each.origin}",
                    hint="uninstall one of them",
                )
            known[each.name] = each
        return dict(sorted(known.items()))

    def named(self, name: str, where: str) -> E:
        """The one called ``name``, as it stands at ``where``; ConfigInvalid names the known."""
        known = self.found()
        if name not in known:
            raise ConfigInvalid(self.unknown, where=where, hint=f"known: {', '.join(known)}")
        return known[name]

    def _own(self) -> Iterable[E]:
        for info in pkgutil.iter_modules(importlib.import_module(self.folder).__path__):
            module = importlib.import_module(f"{self.folder}.{info.name}")
            if self._complete(module):
                load = partial(importlib.import_module, module.__name__)
                yield self.kind(name=info.name, origin=OURS, load=load)

    def _foreign(self, point: EntryPoint) -> E:
        origin = point.dist.name if point.dist else point.value

        def load() -> Any:
            module = point.load()
            if not self._complete(module):
                raise ConfigInvalid(
                    f"is no {self.one}: it lacks {' or '.join(self.parts)}",
                    where=f"entry point {self.group}:{point.name} of {origin}",
                    hint=f"see {self.guide}",
                )
            return module

        return self.kind(name=point.name, origin=origin, load=load)

    def _complete(self, module: ModuleType) -> bool:
        return all(hasattr(module, part) for part in self.parts)
