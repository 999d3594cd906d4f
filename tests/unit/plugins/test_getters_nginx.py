# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's dump, read by nginx's own grammar."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.storewarden.ops.plugins.module_utils.baseline.nginx_config import (
    Scope,
    parsed,
)
from ansible_collections.storewarden.ops.plugins.module_utils.baseline.probe_error import ProbeError
from tests.unit.plugins.baseline_host import Bench

MAIN = "# configuration file /etc/nginx/nginx.conf:\n"


def tree(text: str) -> Scope:
    return parsed(MAIN + text)


def look(bench: Bench, text: str, view: str, **query: Any) -> Any:
    """The view of an nginx whose main file is ``text``."""
    bench.answer("nginx", MAIN + text)
    return bench.look("nginx", view=view, **query)


@pytest.mark.parametrize(
    ("text", "name", "args"),
    [
        ("a b c;", "a", ("b", "c")),
        ("a\n  b\t'c d' \"e;f{g}\" ;", "a", ("b", "c d", "e;f{g}")),
        ("a 'it''s'; ", "a", ("it", "s")),
        (r'a "say \"hi\"" b\ c;', "a", ('say "hi"', "b\\ c")),
        ("# a b;\na c; # d\n", "a", ("c",)),
        ("a b#c;", "a", ("b#c",)),
        ("a ${host}x $b;", "a", ("${host}x", "$b")),
        ("a 中文 ünï;", "a", ("中文", "ünï")),
        (r"a ^/x(\{|})$;", "a", None),
    ],
)
def test_words(text: str, name: str, args: tuple[str, ...] | None) -> None:
    if args is None:  # nginx wants such an expression in quotes
        with pytest.raises(ProbeError):
            tree(text)
        return
    (one,) = tree(text).block
    assert (one.name, one.args) == (name, args)


@pytest.mark.parametrize(
    "text", ["http {", "http { a b; ", "a b; }", "a b", 'a "b;', "http { server { } "]
)
def test_what_is_no_configuration_is_an_error(text: str) -> None:
    with pytest.raises(ProbeError):
        tree(text)


def test_an_empty_dump_is_an_error() -> None:
    with pytest.raises(ProbeError, match="no configuration"):
        parsed("nginx: configuration file test is successful\n")


def test_blocks_within_blocks_end_somewhere() -> None:
    with pytest.raises(ProbeError, match="too many blocks"):
        tree("a {" * 100 + "}" * 100)
    with pytest.raises(ProbeError, match="includes within includes"):
        tree("include nginx.conf;")


def test_includes_stand_where_they_are_written_in_the_order_of_names() -> None:
    dump = (
        "# configuration file /etc/nginx/nginx.conf:\n"
        "http { x 1; include conf.d/*.conf; include /srv/*/nginx.inc; x 9; }\n"
        "# configuration file /etc/nginx/conf.d/20-b.conf:\nx 3;\n"
        "# configuration file /etc/nginx/conf.d/10-a.conf:\nx 2; include snippets/c.conf;\n"
        "# configuration file /etc/nginx/snippets/c.conf:\nx 2.5;\n"
        "# configuration file /etc/nginx/conf.d/deep/no.conf:\nx 0;\n"
        "# configuration file /srv/shop/nginx.inc:\nx 4;\n"
    )
    (http,) = parsed(dump).below("http")
    assert [one.args[0] for one in http.block] == ["1", "2", "2.5", "3", "4", "9"]


def test_lua_is_another_language() -> None:
    lua = """
        -- a comment with a } brace
        local t = { a = "}{", b = '}', c = [[ } ]] }
        if t then return "access_log on;" end
    """
    (http,) = tree(f"http {{ content_by_lua_block {{ {lua} }} access_log off; }}").below("http")
    assert [one.name for one in http.block] == ["content_by_lua_block", "access_log"]


@pytest.mark.parametrize(
    ("listen", "name", "tls"),
    [
        ("listen 443 ssl;", "*:443", True),
        ("listen [::]:8443 ssl;", "*:8443", True),
        ("listen 10.0.0.1:443 ssl; server_name _ a b;", "a:443", True),
        ("listen 443; ssl on;", "*:443", True),
        ("listen 443 quic reuseport;", "*:443", True),
        ("listen 443 default_server;", "*:443", False),
        ("", "*:80", False),
    ],
)
def test_servers_with_tls(bench: Bench, listen: str, name: str, tls: bool) -> None:
    text = f"http {{ server {{ {listen} }} }}"
    assert look(bench, text, "tls_servers") == ([name] if tls else [])
    assert look(bench, text, "servers") == [name]


def test_hsts_by_the_headers_more_module_and_by_a_map_on_the_scheme(bench: Bench) -> None:
    more = 'more_set_headers "Strict-Transport-Security: max-age=31536000";'
    text = f"http {{ server {{ listen 443 ssl; {more} location / {{ add_header A b; }} }} }}"
    assert look(bench, text, "without_hsts", seconds=1) == []
    by_map = 'map $scheme $h {{ https "max-age={age}"; default ""; }}'
    by_map += " add_header Strict-Transport-Security ${{h}};"
    server = "server { listen 443 ssl; }"
    for age, missing in ((100, 0), (99, 1)):
        text = f"http {{ {by_map.format(age=age)} {server} }}"
        assert len(look(bench, text, "without_hsts", seconds=100)) == missing


def test_a_header_inside_an_if_hides_the_others(bench: Bench) -> None:
    text = (
        "http { server { listen 443 ssl; add_header Strict-Transport-Security max-age=9;"
        " location / { if ($a) { add_header B c; } } } }"
    )
    (finding,) = look(bench, text, "without_hsts", seconds=9)
    assert finding["place"] == "if ($a)"


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("deny all;", None),
        ("allow 10.0.0.0/8; deny all;", None),
        ("deny 10.1.1.1; allow 10.0.0.0/8; deny all;", None),
        ("allow 127.0.0.1; allow unix:; deny all;", None),
        ("internal;", None),
        ("return 403;", None),
        ("allow all;", "lets in everybody"),
        ("allow 0.0.0.0/0; deny all;", "lets in everybody"),
        ("deny 10.1.1.1;", "lets in everybody"),
        ("allow head-office; deny all;", "lets in head-office"),
        ("satisfy any; allow 10.0.0.0/8; deny all;", "lets in everybody"),
    ],
)
def test_who_gets_to_a_page_for_administrators(bench: Bench, rules: str, why: str | None) -> None:
    text = f"http {{ server {{ listen 443 ssl; location /x {{ stub_status; {rules} }} }} }}"
    got = look(bench, text, "open_admin_pages", paths=[], nets=[])
    assert [one["why"] for one in got] == ([why] if why else [])


def test_administrators_pages_of_regular_expressions(bench: Bench) -> None:
    one, other = r"location ~ ^/(admin|shop)/.*\.php$", r"location ~ \.js$"
    text = f"http {{ server {{ {one} {{ root /srv; }} {other} {{ }} }} }}"
    got = look(bench, text, "admin_pages", paths=["^/admin(/|$)"])
    assert [finding["place"] for finding in got] == [one]


def test_nginx_that_does_not_take_its_configuration_is_an_error(bench: Bench) -> None:
    bench.script("nginx", "echo 'nginx: [emerg] unknown directive \"x\"' >&2; exit 1")
    with pytest.raises(ProbeError, match="unknown directive"):
        bench.look("nginx", view="servers")
