# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: ``python -m tests.lab VERB``.

Exit status: 0 fine, 1 the lab could not do it (one line on stderr), 2 wrong usage, 130 Ctrl-C;
`exec` ends with the status of the command on the host.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence

from tests.lab import boot, image, software_layer
from tests.lab.fleet import Lab
from tests.lab.lifecycle import Wish
from tests.lab.places import LabError, default_name
from tests.lab.tools import become_root, ensure_tools

say = functools.partial(print, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    options = _parser().parse_args(argv)
    verb: Callable[[argparse.Namespace], int] = options.verb
    try:
        return verb(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="real hosts for tests")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    add = functools.partial(_add, verbs)
    built = add("image", _image, "build the base image if it is missing", named=False)
    built.add_argument("--rebuild", action="store_true", help="build it even if it is there")
    layer = add("layer", _layer, "build a layer of software if it is missing", named=False)
    layer.add_argument("layer", choices=sorted(software_layer.LAYERS))
    up = add("up", _up, "start a lab and wait until all hosts answer")
    up.add_argument("--stores", type=int, default=3, help="number of stores (3)")
    up.add_argument("--pos", type=int, default=3, help="POS terminals per store (3)")
    up.add_argument("--owner", type=int, default=0, metavar="PID", help="end with this process")
    add("down", _down, "end a lab and remove all of it")
    add("status", _status, "show a lab's hosts")
    add("list", _list, "show all labs of this machine", named=False)
    add("inventory", _inventory, "print the path of the lab's Ansible inventory")
    for name, text in _HOST_VERBS.items():
        several = add(name, functools.partial(_each, name), text)
        several.add_argument("hosts", nargs="+", metavar="HOST")
        if name == "reset":
            several.add_argument(
                "--above", choices=sorted(software_layer.LAYERS), help="with this software"
            )
    execute = add("exec", _exec, "run a command on a host: exec HOST -- CMD ...")
    execute.add_argument("--root", action="store_true", help="as root, through sudo")
    execute.add_argument("host", metavar="HOST")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD")
    return parser


_HOST_VERBS = {
    "reset": "throw away a host's changes and start it again",
    "start": "switch a host on",
    "stop": "pull a host's plug",
    "cut": "cut a host's line",
    "mend": "mend a host's line",
}


def _add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    action: Callable[[argparse.Namespace], int],
    text: str,
    *,
    named: bool = True,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    parser.set_defaults(verb=action)
    if named:
        parser.add_argument("--name", default=default_name(), help="which lab (%(default)s)")
    return parser


def _image(options: argparse.Namespace) -> int:
    become_root()
    ensure_tools(say)
    say(f"{image.ensure(say, rebuild=options.rebuild)}")
    return 0


def _layer(options: argparse.Namespace) -> int:
    become_root()
    ensure_tools(say)
    say(f"{software_layer.LAYERS[options.layer].ensure(say)}")
    return 0


def _up(options: argparse.Namespace) -> int:
    become_root()
    wish = Wish(name=options.name, stores=options.stores, pos=options.pos, owner_pid=options.owner)
    lab = boot.up(wish, say)
    say(f"inventory: {lab.inventory_path}")
    return 0


def _down(options: argparse.Namespace) -> int:
    become_root()
    boot.down(options.name, say)
    return 0


def _status(options: argparse.Namespace) -> int:
    lab = Lab(options.name)
    states = lab.status()
    for host in lab.hosts:
        now = states[host.name]
        line = "cut" if now["cut"] else "connected"
        say(f"{host.name:14} {host.address:15} {now['state']}, {line}, boots: {now['boots']}")
    return 0


def _list(_: argparse.Namespace) -> int:
    for line in boot.names():
        say(line)
    return 0


def _inventory(options: argparse.Namespace) -> int:
    say(Lab(options.name).inventory_path)
    return 0


def _each(verb: str, options: argparse.Namespace) -> int:
    lab = Lab(options.name)
    above = getattr(options, "above", None)
    words = {"above": software_layer.LAYERS[above].path()} if above else {}
    for host in [lab.host(name) for name in options.hosts]:
        getattr(host, verb)(**words)
    return 0


def _exec(options: argparse.Namespace) -> int:
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not words:
        raise LabError("exec: no command after HOST")
    host = Lab(options.name).host(options.host)
    # Several words are one command line, as ssh has it.
    done = host.run(
        " ".join(words), check=False, user="root" if options.root else "ops", timeout=3600.0
    )
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
