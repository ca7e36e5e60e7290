from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.core.address import AddressError, is_loopback, parse_address

#: What an address may be made of, traps included.
SIGNS = st.sampled_from(
    [
        *"abzAZ019:/@.?#[]%\\ \t_-~\x00\x7fé。①",
        "//",
        "http",
        "https:",
        "127.0.0.1",
        "%2f",
        "%40",
        "::1",
    ]
)
TEXTS = st.lists(SIGNS, max_size=12).map("".join)


@given(st.sampled_from(["http://", "https://", "HTTP://", "http:/", "//", ""]), TEXTS)
def test_all_readers_agree_about_what_is_let_through(scheme: str, rest: str) -> None:
    try:
        address = parse_address(scheme + rest)
    except AddressError:
        return
    assert parse_address(address.url) == address
    split = urlsplit(address.url)
    assert (split.scheme, split.hostname) == (address.scheme, address.host)
    assert (split.port or address.port) == address.port
    read = urllib3.util.parse_url(address.url)
    assert (read.scheme, (read.host or "").strip("[]")) == (address.scheme, address.host)
    assert (read.port or address.port) == address.port
    assert read.auth is None
    prepared = requests.Request("GET", address.url).prepare()
    assert parse_address(prepared.url or "").origin == address.origin
    assert address.url.isascii()
    assert address.url.isprintable()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://Example.ORG", "https://example.org/"),
        ("HTTP://example.org.:8080/a?b=c#d", "http://example.org:8080/a?b=c"),
        ("https://[2001:DB8::0:1]/x", "https://[2001:db8::1]/x"),
        ("https://a.org/b c/é?q=ü%20%zz", "https://a.org/b%20c/%C3%A9?q=%C3%BC%20%25zz"),
        ("https://127.0.0.1:1/", "https://127.0.0.1:1/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        (
            "https://my_bucket.s3.example.org/k?sig=a%2Bb",
            "https://my_bucket.s3.example.org/k?sig=a%2Bb",
        ),
    ],
)
def test_an_address_has_one_spelling(text: str, url: str) -> None:
    assert parse_address(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "ftp://x/y",
        "file:///etc/passwd",
        "http:///x",
        "http://x:port/",
        "http://x:0/",
        "http://x:99999/",
        "http://[",
        "http://[::1%25lo]/",
        "http://user@x/",
        "http://:secret@x/",
        "http://:x@127.0.0.1:1\\@127.0.0.1:2/",
        "http:\\\\x\\y",
        "http://x/\\y",
        " http://x/",
        "http://x/\n",
        "http://x\t/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://1.2.3.256/",
        "http://x%2ey/",
        "http://é.org/",
        "http://x。y/",
        "http://-x.org/",
        "http://x..y/",
        "http://" + "x" * 64 + "/",
        "http://x/" + "y" * 9000,
        "https://a.org/\ud800",
    ],
)
def test_what_readers_could_understand_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("reference", ["\\\\x/y", "http:\\\\x", "//user@x/", "http://x:y/", "\x1b"])
def test_a_reference_is_read_as_strictly(reference: str) -> None:
    start = parse_address("https://a.org/b/c")
    with pytest.raises(AddressError):
        start.joined(reference)


def test_references_are_joined() -> None:
    start = parse_address("https://a.org/b/c?d")
    assert start.joined("e?f").url == "https://a.org/b/e?f"
    assert start.joined("//x.org").url == "https://x.org/"


def test_hosts_are_compared_with_their_port() -> None:
    address = parse_address("http://[::1]:8080/")
    assert address.is_among(frozenset({"[::1]:8080"}))
    assert address.is_among(frozenset({"[::1]"}))
    assert not address.is_among(frozenset({"[::1]:80", "::2"}))
    assert parse_address("https://a.org/").is_among(frozenset({"a.org:443"}))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_this_machine_is_distinguished_from_others(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
