# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that speaks to ansible-runner: builds its configuration and runs it.

Of ansible-runner we use what executes: ``RunnerConfig`` makes the command, and
``Runner`` starts it under pexpect and waits. Its conveniences are left out,
because each was measured to hurt: variables and environment through files it
writes, its display callback with one file per event, its signal handlers, its
own timeout and cancel (they kill the main group only), its artifact rotation.
"""

from __future__ import annotations

import shlex
import sys
import threading

from ansible_runner.config.runner import RunnerConfig
from ansible_runner.runner import Runner

from storewarden.adapters.ansible import collection, environment
from storewarden.adapters.ansible.processes import MARKER
from storewarden.adapters.ansible.rundir import Request, RunDir, scratch_dir, write_json

RUN_LOG = "storewarden.ops.run_log"
# ansible-runner looks up from its child's output this often; ours has none.
_PEXPECT_TIMEOUT = 5


def shared_environment(places: environment.PlayPlaces) -> dict[str, str]:
    """The part of a play's environment that is the same for run after run of one site."""
    return {
        **environment.base(places.bin_dir),
        **environment.ansible(places.collections, places.config),
        "STOREWARDEN_COLLECTION": str(collection.directory()),
        "ANSIBLE_STDOUT_CALLBACK": RUN_LOG,
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_ARGS": environment.ssh_arguments(places.known_hosts),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_CACHE_PLUGIN": "memory",
        "ANSIBLE_INVENTORY_ENABLED": "yaml",  # what we have written; each other would try first
    }


def places_of(request: Request) -> environment.PlayPlaces:
    """The places that a run asks for."""
    return environment.PlayPlaces(
        bin_dir=request.bin_dir,
        collections=request.collections,
        config=request.config,
        known_hosts=request.known_hosts,
    )


def own_environment(run: RunDir, run_id: str) -> dict[str, str]:
    """The part that no other run has."""
    return {
        MARKER: run_id,
        "STOREWARDEN_EVENTS": str(run.events),
        "STOREWARDEN_PLAN": str(run.lease_file),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(scratch_dir(run_id)),
        "TMPDIR": str(scratch_dir(run_id)),
        "ANSIBLE_LOCAL_TEMP": str(run.work / "tmp"),
    }


def play_environment(run: RunDir, request: Request) -> dict[str, str]:
    """Everything a play may know from its environment. No secrets: artifacts and /proc show it."""
    return {**shared_environment(places_of(request)), **own_environment(run, request.run_id)}


def _arguments(run: RunDir, request: Request) -> list[str]:
    """Options of ansible-playbook; every secret by the name of its file."""
    by_file = {
        "--vault-password-file": request.vault_password,
        "--become-password-file": request.become_password,
        "--connection-password-file": request.connection_password,
        "--private-key": request.private_key,
    }
    given = [word for option, path in by_file.items() if path for word in (option, path)]
    return ["-e", f"@{run.variables.name}", *given, *(["--check"] if request.check_mode else [])]


def make_scratch(request: Request) -> None:
    """The play's TMPDIR, before anything of it begins. Raises OSError when it is there."""
    scratch_dir(request.run_id).mkdir(mode=0o700)


def configured(run: RunDir, request: Request) -> RunnerConfig:
    """Command, environment and working directory of the play."""
    # Without this file ansible-runner silently drops its settings (measured).
    (run.work / "env").mkdir(mode=0o700)
    settings = {"pexpect_timeout": _PEXPECT_TIMEOUT, "suppress_ansible_output": True}
    write_json(run.work / "env" / "settings", settings)
    config = RunnerConfig(
        private_data_dir=str(run.work),
        playbook=request.playbook,
        inventory=run.inventory.name,  # relative: Ansible splits a path at commas
        forks=request.forks,
        cmdline=shlex.join(_arguments(run, request)),
        ident=request.run_id,
        rotate_artifacts=0,
        fact_cache_type="memory",
        quiet=True,
    )
    config.prepare()
    config.cwd = str(run.work)
    config.env = play_environment(run, request)  # not the one it collected
    # By its full path: an ansible-playbook that cannot start must not be replaced by another
    # one further down the PATH.
    playbook = environment.tool("ansible-playbook", config.env)
    config.command = [playbook, *config.command[1:]]
    return config


def _wrapper(run: RunDir) -> list[str]:
    """What takes the leases and then becomes the command after it."""
    return [sys.executable, "-P", "-m", "storewarden.adapters.ansible.lease", str(run.path)]


class Play(threading.Thread):
    """One execution by ansible-runner, beside the supervisor's own loop.

    ``rc`` is ansible-playbook's status, None when ansible-runner could not tell;
    ``trouble`` is what ansible-runner itself raised.
    """

    def __init__(self, run: RunDir, request: Request) -> None:
        super().__init__(name="play", daemon=True)
        self._run = run
        self._request = request
        self.rc: int | None = None
        self.trouble: BaseException | None = None

    def run(self) -> None:
        """Executes the play; never raises."""
        try:
            make_scratch(self._request)
            config = configured(self._run, self._request)
            config.command = [*_wrapper(self._run), *config.command]
            runner = Runner(config, event_handler=lambda _event: False)
            runner.run()
            self.rc = runner.rc
        except Exception as error:  # noqa: BLE001 - handed to the supervisor, which reports it
            self.trouble = error
