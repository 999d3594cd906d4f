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
import base64
import os
import secrets
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from storewarden.adapters.ansible.ahead import Reach
from storewarden.adapters.ansible.module_zips import Builder

_PROGRAM = (
    "ansible.cli.playbook",
    "ansible.executor.playbook_executor",
    "ansible.executor.task_queue_manager",
    "ansible.module_utils._internal._json._profiles._module_legacy_c2m",
    "ansible.module_utils._internal._json._profiles._module_legacy_m2c",
    "ansible.playbook.handler_task_include",
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

_ALL = ("become_loader", "callback_loader", "connection_loader", "shell_loader")
"""Ansible itself loads all of these before a play, whatever that uses."""

_NAME = "storewarden.ops"
_OURS = f"ansible_collections.{_NAME}"

# Files of plays that somebody waits for.
_READ = (
    "playbooks/heal.yml",
    "roles/heal_*/tasks/*.yml",
    "roles/heal_*/defaults/main.yml",
    "roles/heal_*/meta/main.yml",
    "roles/heal_*/meta/argument_specs.yml",
)
_PARSED: dict[
    str, object
] = {}  # files of plays, by the path under which Ansible keeps what it has read

_LOCAL_TEMP = "DEFAULT_LOCAL_TMP"


def load() -> None:
    """Import it, with the settings of the environment as it is now."""
    with tempfile.TemporaryDirectory(prefix="sw-warm-") as scratch:
        os.environ["ANSIBLE_LOCAL_TEMP"] = scratch  # nothing will be put there
        for name in _PROGRAM:
            import_module(name)
        atexit.unregister(_module("ansible.utils.path").cleanup_tmp_file)
        _find_plugins()
        _try_out(scratch)


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
    for kind in _ALL:
        list(getattr(loader, kind).all(class_only=True))
    _find_ours(loader)


def _try_out(scratch: str) -> None:
    """What is worked out when it is first needed is needed by each play: options, templates."""
    reached({"inventory_hostname": "nobody", "ansible_control_path_dir": scratch})
    template = _module("ansible.template")
    words = template.trust_as_template("{{ nothing | default({}) }}")
    template.Templar(variables={"nothing": None}).template(words)


def _find_ours(loader: Any) -> None:
    """Of our collection what runs on the controller: each task of a play would read it anew."""
    import_module(_OURS)
    folder = Path(next(iter(_module(_OURS).__path__)))
    for path in sorted((folder / "plugins/action").glob("*.py")):
        loader.action_loader.get(f"{_NAME}.{path.stem}", class_only=True)
    loader.callback_loader.get(f"{_NAME}.run_log", class_only=True)
    for pattern in _READ:
        for path in folder.glob(pattern):
            _parse(path)


def _parse(path: Path) -> None:
    """A file of plays that somebody waits for, as Ansible would read it."""
    reader = _module("ansible.parsing.dataloader").DataLoader()
    name = reader.path_dwim(str(path))
    _PARSED[name] = reader.load_from_file(name, unsafe=True, trusted_as_template=True)


def looked_at() -> Iterator[str]:
    """Files and folders that decide what was found: settings, and where content may lie."""
    constants, loader = _module("ansible.constants"), _module("ansible.plugins.loader")
    yield from (str(path) for path in (constants.CONFIG_FILE,) if path)
    yield from _PARSED
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
    _lay_parsed(_module("ansible.parsing.dataloader").DataLoader)


def _lay_parsed(reader: Any) -> None:
    """Each reader of files finds what was parsed where it keeps what it has read itself; it hands
    out copies."""
    begin = reader.__init__

    def begun(self: Any) -> None:
        begin(self)
        self._FILE_CACHE.update(_PARSED)

    reader.__init__ = begun


def reached(variables: Mapping[str, object]) -> Reach | None:
    """How a host with these variables is reached, as the ssh plugin itself works it out."""
    constants, loader = _module("ansible.constants"), _module("ansible.plugins.loader")
    if constants.DEFAULT_TRANSPORT not in ("ssh", "smart"):
        return None
    context = _module("ansible.playbook.play_context").PlayContext()
    plugin = loader.connection_loader.get("ssh", context, new_stdin=None, task_uuid="")
    plugin.set_options(var_options=dict(variables))
    host = plugin.host = plugin.get_option("host")
    command = plugin._build_command(plugin.get_option("ssh_executable"), "ssh")
    begins = b'ControlPath="'
    paths = [word for word in command if word.startswith(begins)]
    if len(paths) != 1 or plugin.get_option("password"):
        return None
    socket = os.fsdecode(paths[0].removeprefix(begins).removesuffix(b'"'))
    if "%" in socket:  # the site's own: ssh makes a name of it that we do not know
        return None
    return Reach(command=tuple(command), host=str(host), socket=socket)


def before_ssh(settle: Callable[[Sequence[bytes]], None]) -> None:
    """In this play, let every command of ssh wait for ``settle`` first."""
    plugin = _module("ansible.plugins.loader").connection_loader.get("ssh", class_only=True)
    bare = plugin._bare_run

    def settled(self: object, command: Sequence[bytes], *more: object, **named: object) -> object:
        settle(command)
        return bare(self, command, *more, **named)

    plugin._bare_run = settled


def builder(collections: Path) -> Builder | None:
    """What builds modules for this play; None where a site has ``module_utils`` of its own.

    ``collections`` is the folder in which Ansible finds our collection.
    """
    ansible = Path(_module("ansible").__file__).parent
    own = {str(ansible / "module_utils")}
    paths = _module("ansible.plugins.loader").module_utils_loader._get_paths(subdirs=False)
    if any(Path(path).is_dir() and str(path) not in own for path in paths):
        return None
    makers = ("ansible.executor.module_common", "ansible.release", "ansible._internal._ansiballz")
    files = {
        str(each.__file__)
        for name, each in list(sys.modules.items())
        if name.startswith(makers) and getattr(each, "__file__", None)
    }
    routes = (
        collections / "ansible_collections/storewarden/ops/meta/runtime.yml",
        ansible / "config/ansible_builtin_runtime.yml",
    )
    return Builder(
        place=Path(getattr(_module("ansible.constants"), _LOCAL_TEMP)) / "ansiballz_cache",
        roots={"ansible": ansible.parent, "ansible_collections": collections},
        always=files | own | set(map(str, routes)),
        names=_names,
    )


def _names(built: Path) -> tuple[str, ...]:
    """The files in a module that Ansible has built; none when a debugger is in it as well."""
    found = _module("ansible.executor.module_common")._CachedModule.load(str(built))
    if found.source_mapping:
        return ()
    with ZipFile(BytesIO(base64.b64decode(found.zip_data))) as files:
        return tuple(files.namelist())


def play(command: Sequence[str]) -> int:
    """``ansible-playbook`` itself: its exit status. It ends by SystemExit, and so may a plugin."""
    try:
        _module("ansible.cli.playbook").main(list(command))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _module(name: str) -> Any:
    return import_module(name)
