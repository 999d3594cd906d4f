# SPDX-License-Identifier: GPL-3.0-or-later
"""What a play reads: its frozen inventory and its variables, as YAML that means what it says.

Variables of a run are data (they may be the text of an alert), so every string
of theirs is ``!unsafe`` at any depth: a lookup inside one stays text. Strings of
the inventory are the site's own and stay templates, as they were where they
came from, save those that Ansible itself called unsafe.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from storewarden.domain.errors import ConfigInvalid
from storewarden.ports.runner import FrozenInventory

_DUMPER: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_RESOLVER = yaml.resolver.Resolver()
_TEXT = "tag:yaml.org,2002:str"
_SSH_ARGS = "ansible_ssh_args"
_OWN_SSH_ARGS = "storewarden_own_ssh_args"  # what the inventory had under that name
_RESERVED = frozenset({_SSH_ARGS, "all", "ungrouped"})
_INTERPRETER = "ansible_python_interpreter"
_PORT = re.compile(r"[^:]*:\d+")  # Ansible would take the number for a port


class _Tagged:
    """A string with its YAML tag."""

    __slots__ = ("tag", "text")

    def __init__(self, tag: str, text: str) -> None:
        self.tag = tag
        self.text = text


class _Dumper(_DUMPER):  # type: ignore[valid-type,misc]
    """Quotes every string, so that 0123 and yes stay text; knows no aliases."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(_TEXT, text, style='"')


def _tagged(dumper: yaml.SafeDumper, data: _Tagged) -> yaml.ScalarNode:
    return dumper.represent_scalar(data.tag, data.text, style='"')


_Dumper.add_representer(str, _string)
_Dumper.add_representer(_Tagged, _tagged)


def _unsafe(text: str) -> object:
    """``!unsafe`` text. Ansible reads ``!unsafe "0123"`` as the number 83 (measured).

    Text that YAML alone would take for a number, a truth or nothing cannot be a
    template, so it needs no tag and keeps its quotes.
    """
    read_as = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    plain = read_as != _TEXT
    return text if plain else _Tagged("!unsafe", text)


def _checked_text(text: str, where: str) -> str:
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ConfigInvalid("text that is not valid Unicode", where=where)
    return text


def _scalar(value: object, where: str, *, unsafe: bool) -> object:
    if isinstance(value, str):
        text = _checked_text(str(value), where)
        return _unsafe(text) if unsafe else text
    if value is None or isinstance(value, bool | int | float):
        return value
    raise ConfigInvalid(f"a value of type {type(value).__name__} is not data", where=where)


def _tag_of(value: Mapping[object, object]) -> object:
    """``{"__ansible_vault": text}`` as ansible-inventory prints it."""
    if len(value) != 1:
        return None
    [(key, text)] = value.items()
    if not isinstance(text, str):
        return None
    if key == "__ansible_vault":
        return _Tagged("!vault", text)
    return _unsafe(text) if key == "__ansible_unsafe" else None


def _plain(value: object, where: str, *, unsafe: bool) -> object:
    """The value with its strings tagged. Raises ConfigInvalid for what is not JSON data."""
    if isinstance(value, Mapping):
        tagged = None if unsafe else _tag_of(value)
        if tagged is not None:
            return tagged
        return {
            _key(key, where): _plain(item, f"{where}.{key}", unsafe=unsafe)
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item, where, unsafe=unsafe) for item in value]
    return _scalar(value, where, unsafe=unsafe)


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise ConfigInvalid(f"the key {key!r} is not text", where=where)
    return _checked_text(key, where)


def _dump(value: object) -> str:
    return yaml.dump(value, Dumper=_Dumper, default_flow_style=False, sort_keys=False, width=4096)


def variables_text(variables: Mapping[str, object], ssh_args: str) -> str:
    """The file for ``-e @file``. Raises ConfigInvalid for names Ansible could not use.

    Our ssh options are among them, because only ``-e`` outranks a play and the ``group_vars``
    beside it: there a site's ``ansible_ssh_args`` would switch the check of host keys off.
    """
    for name in variables:
        if not (name.isidentifier() and name.isascii()) or name in _RESERVED:
            raise ConfigInvalid(f"{name!r} is not a variable name", where="variables")
    plain = _plain(variables, "variables", unsafe=True)
    ours = f"{{% raw %}}{ssh_args}{{% endraw %}} {{{{ {_OWN_SSH_ARGS} | default('') }}}}"
    return _dump({**(plain if isinstance(plain, dict) else {}), _SSH_ARGS: ours})


def _host_name(name: str) -> str:
    """A name that means itself on Ansible's command line, in a limit file and in an inventory."""
    odd = any(sign.isspace() or sign in ",*?[]" for sign in name)
    if not name or odd or name[0] in "!&@~-" or name in _RESERVED or _PORT.fullmatch(name):
        raise ConfigInvalid(f"{name!r} cannot be a host name", where="inventory")
    return name


def _host_variables(
    name: str, given: Mapping[str, object], source: str, site_ssh_args: str
) -> dict[str, object]:
    """The host's variables; its own ssh arguments under a name that ours refer to.

    A host that is this machine gets this Python, as Ansible's own ``localhost`` does: what
    discovery finds on a controller may be a shim that works for its owner only.
    """
    found = {**_origin(source), **given}
    own = found.pop(_SSH_ARGS, site_ssh_args)
    if own:
        found[_OWN_SSH_ARGS] = own
    if found.get("ansible_connection") in ("local", "ansible.builtin.local"):
        found.setdefault(_INTERPRETER, sys.executable)
    plain = _plain(found, f"host {name}", unsafe=False)
    return plain if isinstance(plain, dict) else {}


def _origin(source: str) -> dict[str, object]:
    """``inventory_dir`` as it was at the source, so that templates with it still work."""
    path = Path(source) if source else None
    if path is None or not path.is_absolute() or not path.exists():
        return {}
    folder = path if path.is_dir() else path.parent
    return {"inventory_dir": str(folder), "inventory_file": str(path)}


def inventory_text(inventory: FrozenInventory, site_ssh_args: str = "") -> str:
    """The inventory of exactly these hosts; groups without their nesting, which has been applied.

    ``site_ssh_args`` are those of the site's ansible.cfg, for hosts without any of their own.

    Variables stand with the hosts, where they were merged to: a playbook's own
    ``group_vars`` no longer outrank those of the inventory's groups.
    """
    hosts = {
        _host_name(name): _host_variables(name, given, inventory.source, site_ssh_args)
        for name, given in inventory.hosts.items()
    }
    children: dict[str, dict[str, dict[str, object]]] = {
        group: {"hosts": {name: {} for name in members}}
        for group, members in inventory.groups.items()
        if group not in ("all", "ungrouped")
    }
    return _dump({"all": {"hosts": hosts, "children": children}})
