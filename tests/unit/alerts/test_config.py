# SPDX-License-Identifier: GPL-3.0-or-later
"""The section ``healing``: what is refused, and that no secret is ever repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from storewarden.config import SiteConfig, load_config
from storewarden.domain.errors import ConfigInvalid

TOKEN = {"type": "bearer", "secrets": ["file:/etc/token"]}
SIGNED = {"type": "hmac", "secrets": ["env:KEY"], "timestamp_header": "X-Time"}


def load(folder: Path, **sources: Any) -> SiteConfig:
    text = yaml.safe_dump({"healing": {"sources": sources}})
    (folder / "storewarden.yml").write_text(text)
    return load_config(None, {"HOME": "/home/op"}, folder)


def test_a_source_of_each_way_to_be_known(tmp_path: Path) -> None:
    basic = {"type": "basic", "user": "am", "secrets": ["file:/a", "file:/b"]}
    config = load(
        tmp_path,
        shop={"kind": "alertmanager", "auth": TOKEN, "poll": {"url": "http://am:9093"}},
        graf={"kind": "grafana", "auth": SIGNED},
        own={"kind": "generic", "auth": {**SIGNED, "header": "X-Sig"}, "timezone": "Asia/Tokyo"},
        pair={"kind": "zabbix", "auth": basic},
    )
    sources = config.healing.sources
    assert sources["graf"].signature_header == "X-Grafana-Alerting-Signature"
    assert sources["own"].signature_header == "X-Sig"
    assert sources["graf"].auth.skew_seconds == 300
    assert sources["own"].settings("Asia/Shanghai") == {"timezone": "Asia/Tokyo"}
    assert sources["graf"].settings("Asia/Shanghai") == {"timezone": "Asia/Shanghai"}
    poll = sources["shop"].poll
    assert poll is not None
    assert (poll.every.total_seconds(), dict(poll.settings)) == (60, {"url": "http://am:9093"})


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"auth": TOKEN}, "healing.sources.shop.kind: field required"),
        ({"kind": "alertmanager"}, "healing.sources.shop.auth: field required"),
        ({"kind": "a b", "auth": TOKEN}, "must be a kind of sender"),
        ({"kind": "grafana", "auth": {**TOKEN, "secrets": ["hunter2"]}}, "must be a reference"),
        ({"kind": "grafana", "auth": {**TOKEN, "secrets": []}}, "at least one secret"),
        ({"kind": "grafana", "auth": {**TOKEN, "secrets": "env:A"}}, "must be a list"),
        ({"kind": "grafana", "auth": {**TOKEN, "user": "x"}}, "only basic has a user"),
        ({"kind": "grafana", "auth": {**TOKEN, "header": "X-A"}}, "only hmac has headers"),
        ({"kind": "grafana", "auth": {**TOKEN, "type": "basic"}}, "basic needs the name of a user"),
        ({"kind": "grafana", "auth": {**TOKEN, "type": "hmac"}}, "hmac needs timestamp_header"),
        ({"kind": "grafana", "auth": {**TOKEN, "type": "none"}}, "must be 'bearer', 'basic'"),
        ({"kind": "grafana", "auth": {**SIGNED, "timestamp_header": ""}}, "the name of a header"),
        ({"kind": "grafana", "auth": {**SIGNED, "skew_seconds": 0}}, "must be 1-3600"),
        ({"kind": "grafana", "auth": TOKEN, "colour": "red"}, "unknown key"),
        ({"kind": "grafana", "auth": TOKEN, "timezone": "Mars"}, "must be the name of a time zone"),
        ({"kind": "grafana", "auth": TOKEN, "poll": {"every_seconds": 1}}, "must be 10-3600"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_repeats_nothing(
    tmp_path: Path, source: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        load(tmp_path, shop=source)
    line = str(refused.value)
    assert says in line
    assert line.startswith("storewarden.yml:")
    assert "hunter2" not in line
    assert "\n" not in line


@pytest.mark.parametrize("name", ["Shop", "1shop", "shop/east", "../x", "", "x" * 41])
def test_a_name_must_fit_into_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigInvalid, match="is no name of a source"):
        load(tmp_path, **{name: {"kind": "grafana", "auth": TOKEN}})
