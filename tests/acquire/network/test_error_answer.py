from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.acquire.network.error_answer import error_kind

XML_ERROR = (
    b'<?xml version="1.0"?><!-- odd --><error xmlns="http://schemas.microsoft.com/ado/metadata">'
    b"<code/><message>An exception occurred while creating a stream</message></error>"
)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (XML_ERROR, "an XML error message"),
        (b"\xef\xbb\xbf\n <m:error xmlns:m='x'/>", "an XML error message"),
        (b"<ows:ExceptionReport/>", "an XML error message"),
        (b'{"detail":"Max session number 4 exceeded."}', "a JSON error message"),
        (b'{"Error": {"code": 1}}', "a JSON error message"),
        (b"<!DOCTYPE html><html>Sign in", "a web page"),
        (b"<HTML><head>", "a web page"),
        (b"<?xml version='1.0'?><product><error>no</error></product>", None),
        (b"<xfdu:XFDU><metadataSection/></xfdu:XFDU>", None),
        (b'{"type": "FeatureCollection"}', None),
        (b'{"error": ', None),
        (b"[1]", None),
        (b"PK\x03\x04<error/>", None),
        (b"", None),
        (b"<", None),
    ],
)
def test_messages_are_told_from_files(tmp_path: Path, content: bytes, kind: str | None) -> None:
    (tmp_path / "x").write_bytes(content)
    assert error_kind(tmp_path / "x") == kind


def test_a_large_file_is_no_message(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(XML_ERROR + b" " * 70_000)
    assert error_kind(tmp_path / "x") is None
