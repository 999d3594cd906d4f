# SPDX-License-Identifier: GPL-3.0-or-later
"""Any Ansible inventory, resolved by ansible-inventory: whole, or an error in one line."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest

from storewarden.adapters.ansible import AnsibleInventory
from storewarden.domain.errors import AdapterError, ConfigInvalid, StorewardenError
from tests.contract.runner_plays import processes, until

_SITE = """
all:
  children:
    north:
      children:
        store_000001:
          hosts:
            "000001-pos1": {sw_role: pos}
            "000001-srv": {sw_role: server}
    south:
      hosts:
        pos9: {}
  vars:
    sw_tz: Asia/Shanghai
    text: "{{ sw_role }}"
    raw: !unsafe "{{ nothing }}"
"""


_CHATTY = """
DOCUMENTATION = "name: chatty\\nshort_description: prints\\noptions: {plugin: {description: x}}"
from ansible.plugins.inventory import BaseInventoryPlugin

class InventoryModule(BaseInventoryPlugin):
    NAME = "site.tools.chatty"

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path)
        print("asking the CMDB")
        inventory.add_host("h")
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text(_SITE)
    return path


def _refusal(sources: list[Path | str], limit: str = "") -> str:
    with pytest.raises(ConfigInvalid) as caught:
        AnsibleInventory().resolve(sources, limit=limit)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_hosts_groups_and_variables(site: Path) -> None:
    found = AnsibleInventory().resolve([site])
    assert set(found.hosts) == {"000001-pos1", "000001-srv", "pos9"}
    assert found.hosts["000001-pos1"] == {
        "sw_role": "pos",
        "sw_tz": "Asia/Shanghai",
        "text": "{{ sw_role }}",
        "raw": {"__ansible_unsafe": "{{ nothing }}"},
    }
    assert set(found.groups["north"]) == {"000001-pos1", "000001-srv"}
    assert set(found.groups["store_000001"]) == set(found.groups["north"])
    assert found.groups["south"] == ("pos9",)
    assert found.source == str(site)


def test_limit(site: Path) -> None:
    found = AnsibleInventory().resolve([site], limit="north:!*-srv")
    assert list(found.hosts) == ["000001-pos1"]
    assert found.groups["store_000001"] == ("000001-pos1",)


def test_host_list() -> None:
    assert set(AnsibleInventory().resolve(["a,b,"]).hosts) == {"a", "b"}


def test_a_limit_that_matches_nothing(site: Path) -> None:
    assert "'nowhere' matches no host" in _refusal([site], "nowhere")


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such inventory" in _refusal([tmp_path / "gone.yml"])


def test_no_source() -> None:
    assert "no inventory was named" in _refusal([])


def test_an_empty_inventory(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yml"
    empty.write_text("all: {hosts: {}}\n")
    assert "has no hosts" in _refusal([empty])


def test_one_broken_source_among_good_ones(site: Path, tmp_path: Path) -> None:
    """Ansible itself would warn and go on with the others."""
    broken = tmp_path / "broken.yml"
    broken.write_text("all:\n  hosts:\n   - [\n")
    line = _refusal([site, broken])
    assert "broken.yml" in line
    assert "parse" in line.lower()


def test_a_failing_script_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "cmdb"
    script.write_text("#!/bin/sh\necho 'CMDB says no' >&2\nexit 3\n")
    script.chmod(0o755)
    line = _refusal([script])
    assert "cmdb" in line
    assert line.endswith("exit code 3: CMDB says no")


def test_a_script_that_misses_a_variable_says_which(tmp_path: Path) -> None:
    script = tmp_path / "cmdb"
    script.write_text(f"#!{sys.executable}\nimport os\nos.environ['CMDB_TOKEN']\n")
    script.chmod(0o755)
    assert _refusal([script]).endswith("KeyError: 'CMDB_TOKEN'")


def test_an_unknown_plugin_is_named(tmp_path: Path) -> None:
    source = tmp_path / "cmdb.yml"
    source.write_text("plugin: no.such.plugin\n")
    assert "unknown plugin 'no.such.plugin'" in _refusal([source])


def test_a_plugin_that_prints_into_the_answer(tmp_path: Path, site: Path) -> None:
    plugins = tmp_path / "collections/ansible_collections/site/tools/plugins/inventory"
    plugins.mkdir(parents=True)
    (plugins / "chatty.py").write_text(_CHATTY)
    source = tmp_path / "chatty.yml"
    source.write_text("plugin: site.tools.chatty\n")
    inventory = AnsibleInventory(collections=[tmp_path / "collections"])
    with pytest.raises(ConfigInvalid, match="not JSON"):
        inventory.resolve([source, site])


def test_an_inventory_that_hangs_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "cmdb"
    script.write_text("#!/bin/sh\nsleep 1123.5813 &\nsleep 1123.5813\n")
    script.chmod(0o755)
    with pytest.raises(AdapterError, match="did not answer in 4 s"):
        AnsibleInventory(timeout=timedelta(seconds=4)).resolve([script])
    until(lambda: not processes("sleep\x001123.5813"))


def test_a_limit_that_looks_like_an_option(site: Path) -> None:
    assert "'-vvv' matches no host" in _refusal([site], "-vvv")


def test_scripts_get_only_what_the_site_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMDB_TOKEN", "t0ken")
    monkeypatch.setenv("VAULT_TOKEN", "other")
    script = tmp_path / "cmdb"
    script.write_text(
        "#!/bin/sh\n"
        "cat <<END\n"
        '{"_meta": {"hostvars": {}}, "all": {"hosts": ["h"],'
        ' "vars": {"cmdb": "$CMDB_TOKEN", "vault": "$VAULT_TOKEN"}}}\n'
        "END\n"
    )
    script.chmod(0o755)
    bare = AnsibleInventory().resolve([script])
    passed = AnsibleInventory(pass_env=["CMDB_TOKEN"]).resolve([script])
    assert bare.hosts["h"] == {"cmdb": "", "vault": ""}
    assert passed.hosts["h"] == {"cmdb": "t0ken", "vault": ""}


def test_a_wrong_vault_password_file(site: Path, tmp_path: Path) -> None:
    with pytest.raises(StorewardenError, match="does not exist"):
        AnsibleInventory().resolve([site], vault_password=tmp_path / "gone")


def test_an_encrypted_file_without_its_password(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "group_vars"
    folder.mkdir()
    (folder / "all.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    assert "vault" in _refusal([site]).lower()
