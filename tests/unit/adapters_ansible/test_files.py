# SPDX-License-Identifier: GPL-3.0-or-later
"""Event files, YAML files, complaints, environments: the small parts on their own."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import yaml

from storewarden.adapters.ansible import complaint, environment, eventlog, yamlfiles
from storewarden.adapters.ansible.lease import lease_path
from storewarden.adapters.ansible.rundir import Request, RunDir
from storewarden.domain.errors import ConfigInvalid, ContentMissing
from storewarden.ports.runner import FrozenInventory


class _Loader(yaml.SafeLoader):
    """Reads the tags that Ansible knows, as (tag, text)."""


for _tag in ("!unsafe", "!vault"):
    _Loader.add_constructor(_tag, lambda loader, node: (node.tag, loader.construct_scalar(node)))


def _loaded(text: str) -> object:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader of our own


def _variables(given: dict[str, object]) -> dict[str, object]:
    """The file of a run's variables, without the one that is ours."""
    loaded = _loaded(yamlfiles.variables_text(given, "OURS"))
    assert isinstance(loaded, dict)
    assert "OURS" in loaded.pop("ansible_ssh_args")
    return loaded


def test_variables_are_unsafe_at_any_depth_and_keep_their_types() -> None:
    given = {"a": ["{{ x }}", {"b": "t"}], "n": 1, "f": 1.5, "t": True, "z": None, "s": "012"}
    assert _variables(given) == {
        "a": [("!unsafe", "{{ x }}"), {"b": ("!unsafe", "t")}],
        "n": 1, "f": 1.5, "t": True, "z": None, "s": "012",
    }  # fmt: skip


def test_unsafe_marks_in_variables_are_only_data() -> None:
    assert _variables({"a": {"__ansible_vault": "{{ x }}"}}) == {
        "a": {"__ansible_vault": ("!unsafe", "{{ x }}")}
    }


def test_broken_unicode_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="Unicode"):
        yamlfiles.variables_text({"a": "\udc80"}, "OURS")


def test_inventory_tags_and_where_its_own_ssh_options_go() -> None:
    hosts = {
        "1": {
            "v": {"__ansible_vault": "$ANSIBLE_VAULT;1.1\n61\n"},
            "u": {"__ansible_unsafe": "{{ x }}"},
            "t": "{{ x }}",
            "ansible_ssh_args": "-o StrictHostKeyChecking=no",
        }
    }
    text = yamlfiles.inventory_text(FrozenInventory(hosts=hosts, groups={"g": ("1",)}))
    assert _loaded(text) == {
        "all": {
            "hosts": {
                "1": {
                    "v": ("!vault", "$ANSIBLE_VAULT;1.1\n61\n"),
                    "u": ("!unsafe", "{{ x }}"),
                    "t": "{{ x }}",
                    "storewarden_own_ssh_args": "-o StrictHostKeyChecking=no",
                }
            },
            "children": {"g": {"hosts": {"1": {}}}},
        }
    }


def test_torn_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(b'{"kind": "play"}\n{"kind": "ho\n[1]\n{"no": 1}\n{"kind": "task"}\n{"kind"')
    assert [record["kind"] for record in eventlog.records(path)] == ["play", "task"]


def test_a_tail_joins_what_came_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "events"
    tail = eventlog.Tail(path)
    seen = []
    for piece in (b'{"kind": "a"}\n{"ki', b'nd": "b"', b"}\n"):
        with path.open("ab") as stream:
            stream.write(piece)
        seen.append([record["kind"] for record in tail.new()])
    assert seen == [["a"], [], ["b"]]


def test_following_sees_what_was_written_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "events"
    over = threading.Event()
    eventlog.append(path, "started", 1.0)
    follow = eventlog.follow(path, over.is_set)
    assert next(follow)["kind"] == "started"
    eventlog.append(path, "task", 2.0)
    over.set()
    assert [record["kind"] for record in follow] == ["task"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[WARNING]: w\n[ERROR]: no role\nOrigin: /a.yml:3:7\n\n3 x\n", "/a.yml:3:7: no role"),
        ("[ERROR]: first\n[ERROR]: Failed in /a\n", "Failed in /a"),
        ("ERROR! old style\n", "old style"),
        ("something\nlast words\n\n", "last words"),
        ("", ""),
    ],
)  # fmt: skip
def test_one_line_of_complaint(text: str, line: str) -> None:
    assert complaint.one_line(text) == line


def test_the_environment_is_an_allow_list() -> None:
    given = {"HOME": "/h", "VAULT_TOKEN": "x", "MY_PASSWORD": "x", "PATH": "/bin", "CMDB": "c"}
    env = environment.base("/venv/bin", given, extra=("CMDB",))
    assert env["PATH"] == "/venv/bin:/bin"
    assert (env["HOME"], env["CMDB"]) == ("/h", "c")
    assert "x" not in env.values()


def test_known_hosts_with_odd_names_stay_one_word() -> None:
    import shlex

    words = shlex.split(environment.ssh_arguments("/a b/50%.hosts"))
    assert 'UserKnownHostsFile="/a b/50%%.hosts"' in words
    assert "StrictHostKeyChecking=yes" in words


def test_a_missing_tool_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContentMissing, match="ansible-playbook is not installed"):
        environment.tool("ansible-playbook", {"PATH": str(tmp_path)})


@pytest.mark.parametrize("host", ["..", "a/b", "pos 店", "x" * 400])
def test_any_host_name_makes_a_lease_file(tmp_path: Path, host: str) -> None:
    path = lease_path(tmp_path, host)
    assert path.parent == tmp_path / "leases"
    path.parent.mkdir()
    path.touch()


def test_hosts_never_share_a_lease_file(tmp_path: Path) -> None:
    long = "店" * 60
    names = [f"{long}{n}" for n in range(3)] + ["a/b", "a%2Fb", "a", "A"]
    assert len({lease_path(tmp_path, name) for name in names}) == len(names)


def test_a_request_of_another_version_can_be_read(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.write_request(_request())
    raw = json.loads(run.request_file.read_text())
    run.request_file.write_text(json.dumps(raw | {"invented_later": 1}))
    assert run.request() == _request()
    run.request_file.write_text(json.dumps({"run_id": "x"}))
    with pytest.raises(ValueError, match="not a request"):
        run.request()


def _request() -> Request:
    return Request(
        run_id="x", playbook="p", hosts=("a",), exclusive=True, owner="", label="",
        started=1.0, timeout=1.0, forks=1, check_mode=False,
    )  # fmt: skip
