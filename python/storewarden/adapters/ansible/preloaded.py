# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-core in a process that forks plays: what it must be rid of, and what a play gets anew.

The only module that imports ansible-core. Read in the source of ansible-core 2.21: settings are
read once, when ``ansible.constants`` is imported, and one of them is a directory that is made then
and deleted when the process ends; task ids begin with random text of that moment. Everything else
that a run has of its own (its events file, its sockets, its options of ssh) is looked up in the
environment when it is needed. Collections, ours too, are found after the fork, as ever.
"""

from __future__ import annotations

import atexit
import os
import secrets
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

_PROGRAM = (
    "ansible.cli.playbook",
    "ansible.executor.playbook_executor",
    "ansible.executor.task_queue_manager",
    "multiprocessing.popen_fork",
    "multiprocessing.synchronize",
)
_PLUGINS = {
    "action_loader": ("include_vars", "normal", "set_fact"),
    "become_loader": ("sudo",),
    "cache_loader": ("memory",),
    "connection_loader": ("local", "ssh"),
    "filter_loader": ("default",),  # the first one brings all of ansible.builtin
    "shell_loader": ("sh",),
    "strategy_loader": ("free", "host_pinned", "linear"),
    "test_loader": ("defined",),
}
"""What plays of ours use, by the loader that finds it; what is not here, the play loads itself.

Not vars plugins: that loader keeps the first thing it was asked for, and plays ask for more."""

_LOCAL_TEMP = "DEFAULT_LOCAL_TMP"


def load() -> None:
    """Import it, with the settings of the environment as it is now."""
    with tempfile.TemporaryDirectory(prefix="sw-warm-") as scratch:
        os.environ["ANSIBLE_LOCAL_TEMP"] = scratch  # nothing will be put there
        for name in _PROGRAM:
            import_module(name)
    atexit.unregister(_module("ansible.utils.path").cleanup_tmp_file)
    _find_plugins()


def _find_plugins() -> None:
    """Plugins of Ansible itself, their documents (that is where their options are) and routes.

    They take longer than all the rest of the program. No collection of anybody else is touched.
    """
    # The play finds that collections have been made ready, and would warn of it.
    warnings.filterwarnings("ignore", "AnsibleCollectionFinder has already been configured")
    loader = _module("ansible.plugins.loader")
    loader.init_plugin_loader()
    import_module("ansible_collections.ansible.builtin")
    for kind, names in _PLUGINS.items():
        for name in names:
            getattr(loader, kind).get(name, class_only=True)
    for name in _module("ansible.constants").INVENTORY_ENABLED:
        loader.inventory_loader.get(name, class_only=True)
    list(loader.callback_loader.all(class_only=True))


def looked_at() -> Iterator[str]:
    """Files and folders that decide what was found: settings, and where content may lie."""
    constants, loader = _module("ansible.constants"), _module("ansible.plugins.loader")
    yield from (str(path) for path in (constants.CONFIG_FILE,) if path)
    yield str(Path("~/.ansible.cfg").expanduser())
    yield "/etc/ansible/ansible.cfg"
    yield "/etc/ansible/plugin_filters.yml"
    for root in constants.COLLECTIONS_PATHS:
        yield f"{root}/ansible_collections"
        yield f"{root}/ansible_collections/ansible"
    for _name, each in loader.get_all_plugin_loaders():
        yield from map(str, each.config)


def renew() -> None:
    """In a new process, with the environment of its play: what must not be the old one's."""
    constants = _module("ansible.constants")
    fresh = constants.config.get_config_value(_LOCAL_TEMP, variables=vars(constants))
    setattr(constants, _LOCAL_TEMP, fresh)
    _module("ansible.utils.vars").random_int = secrets.token_hex(4)


def play(command: Sequence[str]) -> int:
    """``ansible-playbook`` itself: its exit status. It ends by SystemExit, and so may a plugin."""
    try:
        _module("ansible.cli.playbook").main(list(command))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _module(name: str) -> Any:
    return import_module(name)
