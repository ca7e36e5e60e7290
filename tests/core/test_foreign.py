from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssl4sar.core.foreign import (
    DEEPEST,
    ForeignTextError,
    parse_json,
    parse_xml,
    parse_yaml,
    read_json,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('a[]{}\\"', max_size=5), inner)
    ),
    max_leaves=20,
)


@given(JSON)
def test_json_is_read_as_the_library_reads_it(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.integers(1, 3 * DEEPEST), st.sampled_from(["[", '{"[a]":', '[{"a\\"{":']))
def test_the_depth_of_json_is_counted_outside_of_strings(levels: int, opening: str) -> None:
    closing = {"[": "]", '{"[a]":': "}", '[{"a\\"{":': "}]"}[opening]
    text = opening * levels + "1" + closing * levels
    depth = levels * len(closing)
    if depth <= DEEPEST:
        assert parse_json(text) == json.loads(text)
    else:
        with pytest.raises(ForeignTextError, match="nested"):
            parse_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "[1e999]",
        "[NaN]",
        "[-Infinity]",
        '"\\ud800"',
        '"' + '\\"' * 200_000,
        "[" * 400 + "]" * 400,
        "1" * 5000,
        "{",
        "",
        b"\xff\xfe",
    ],
)
def test_json_that_would_do_harm_later_is_refused_in_a_short_line(text: str | bytes) -> None:
    with pytest.raises(ForeignTextError) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("read", "text", "match"),
    [
        (parse_json, b"[" + b"{}," * 2_600_000 + b"1]", "more than 5,000,000 values"),
        (parse_json, b"[" + b"1," * 5_100_000 + b"1]", "more than 5,000,000 values"),
        (parse_xml, b"<a>" + b"<b/>" * 2_100_000 + b"</a>", "more than 2,000,000 elements"),
    ],
)
def test_what_would_take_many_times_its_length_of_memory_is_refused(read, text, match) -> None:
    with pytest.raises(ForeignTextError, match=match):
        read(text)


def test_surrogate_pairs_and_a_byte_order_mark_are_fine() -> None:
    assert parse_json(b'\xef\xbb\xbf"\\ud83d\\ude00"') == "😀"


def test_a_long_file_is_not_read_whole(tmp_path) -> None:
    path = tmp_path / "long.json"
    with path.open("wb") as file:
        file.truncate(500_000_000)
    tracemalloc.start()
    with pytest.raises(ForeignTextError, match="longer"):
        read_json(path, 1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_an_alias_bomb_is_refused_and_honest_aliases_are_not() -> None:
    letters = "abcdefghi"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise(letters)
    ]
    with pytest.raises(ForeignTextError, match="aliases"):
        parse_yaml("\n".join(lines))
    assert parse_yaml("a: &a {b: 1}\nc: *a\nd:\n  <<: *a\n") == {
        "a": {"b": 1},
        "c": {"b": 1},
        "d": {"b": 1},
    }


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 3000 + "]" * 3000, "a: &a [*a]", "a: [", "*x", b"\x00", "!!python/none x: ["),
        *("a: 1\nb: 2\na: 3", "a: {b: 1, b: 1}"),
        *("a: 2026-13-45", "a: 2026-01-01T25:00:00", f"a: {'9' * 5000}"),
        f"a: &a {'x' * 1000}\nb: [{', '.join(['*a'] * 1001)}]",
    ],
)
def test_bad_yaml_is_refused_in_a_short_line(text: str | bytes) -> None:
    with pytest.raises(ForeignTextError) as caught:
        parse_yaml(text)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "text",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<a>" * 200 + b"</a>" * 200,
        b"<a>&b;</a>",
        b'<?xml version="1.0" encoding="nope"?><a/>',
        b"<a>",
        b"",
    ],
)
def test_xml_is_bounded_and_knows_no_entities(text: bytes) -> None:
    with pytest.raises(ForeignTextError):
        parse_xml(text)


def test_xml_keeps_text_attributes_and_namespaces() -> None:
    root = parse_xml(b'<a xmlns="urn:x" b="1"><c>t</c>u</a>')
    assert (root.tag, root.get("b"), root[0].text, root[0].tail) == ("{urn:x}a", "1", "t", "u")
