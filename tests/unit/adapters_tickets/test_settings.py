# SPDX-License-Identifier: GPL-3.0-or-later
"""From a free-form section to frozen settings, or to one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from storewarden.adapters.settings import (
    AdapterSettings,
    ListOf,
    Named,
    SecretRef,
    read_settings,
)
from storewarden.adapters.tickets.settings import RestSettings
from storewarden.domain.errors import ConfigInvalid


class Part(AdapterSettings):
    path: str
    times: int = 1


class Sample(RestSettings):
    token: SecretRef
    mode: Literal["basic", "bearer"] = "bearer"
    states: ListOf[str] = ()
    names: Named[str] = Field(default_factory=dict)
    part: Part | None = None
    whatever: object = None


GOOD: dict[str, object] = {"url": "https://itsm.example/x", "token": "file:/run/token"}


def test_everything_is_read_with_its_type() -> None:
    read = read_settings(
        Sample,
        {
            **GOOD,
            "timeout_seconds": 5,
            "ca_file": "tls/ca.pem",
            "mode": "basic",
            "states": ["a", "b"],
            "names": {"risk": "u_risk", 3: "u_three"},
            "part": {"path": "/x", "times": 3},
            "whatever": [1, {"a": None}],
            "proxy": None,
        },
        "tickets.sample",
        Path("/etc/site"),
    )
    assert read == Sample(
        url="https://itsm.example/x",
        token="file:/run/token",
        timeout_seconds=5.0,
        ca_file=Path("/etc/site/tls/ca.pem"),
        mode="basic",
        states=("a", "b"),
        names={"risk": "u_risk", "3": "u_three"},
        part=Part(path="/x", times=3),
        whatever=[1, {"a": None}],
    )
    assert isinstance(read.timeout_seconds, float)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"url": None}, "tickets.sample.url: is missing"),
        ({"tokn": "x"}, "tickets.sample.tokn: unknown key (did you mean token?)"),
        ({"token": None, "tokn": "x"}, "tickets.sample.tokn: unknown key (did you mean token?)"),
        ({"part": {"tims": 1}}, "tickets.sample.part.tims: unknown key (did you mean times?)"),
        ({"part": "geheim"}, "tickets.sample.part: must be keys with values"),
        ({"zzz": "x"}, "tickets.sample.zzz: unknown key (known keys: url, "),
        ({"url": 7}, "tickets.sample.url: must be text"),
        ({"url": "itsm.example"}, "tickets.sample.url: must begin with https:// or http://"),
        ({"url": "https://"}, "tickets.sample.url: must begin with https:// or http:// and name"),
        ({"url": "http://h:99999"}, "tickets.sample.url: is not a url"),
        ({"url": "http://u:pw-geheim@h"}, "tickets.sample.url: must hold neither user, password"),
        ({"url": "http://h/?token=geheim"}, "tickets.sample.url: must hold neither user, passw"),
        ({"token": "geheim"}, "tickets.sample.token: must be a reference: file:PATH"),
        ({"token": 7}, "tickets.sample.token: must be a reference: file:PATH"),
        ({"timeout_seconds": "5"}, "tickets.sample.timeout_seconds: must be a number"),
        ({"timeout_seconds": 0}, "tickets.sample.timeout_seconds: must be above 0 and at most"),
        ({"timeout_seconds": True}, "tickets.sample.timeout_seconds: must be a number"),
        ({"verify_tls": 1}, "tickets.sample.verify_tls: must be true or false"),
        ({"mode": "geheim"}, "tickets.sample.mode: must be basic or bearer"),
        ({"states": "closed"}, "tickets.sample.states: must be a list"),
        ({"states": ["a", 2]}, "tickets.sample.states.1: must be text"),
        ({"names": ["risk"]}, "tickets.sample.names: must be keys with values"),
        ({"names": {"risk": 3}}, "tickets.sample.names.risk: must be text"),
        ({"part": {"times": 3}}, "tickets.sample.part.path: is missing"),
        ({"part": {"path": "/", "times": True}}, "tickets.sample.part.times: must be a whole n"),
        ({"proxy": "geheim"}, "tickets.sample.proxy: must begin with https:// or http://"),
        ({"ca_file": 7}, "tickets.sample.ca_file: must be the path of a file"),
    ],
)
def test_mistakes_are_one_line_without_the_value(changed: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read_settings(Sample, {**GOOD, **changed}, "tickets.sample")
    assert str(caught.value).startswith(line)
    assert "geheim" not in str(caught.value)
