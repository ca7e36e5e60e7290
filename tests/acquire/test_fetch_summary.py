"""What was fetched and what is missing is counted, listed and, if it is too much, refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_products import MemoryProvider, made_product

from ssl4sar.acquire.fetch import fetch_product
from ssl4sar.acquire.fetch_summary import FetchSummary
from ssl4sar.acquire.providers.base import Selection
from ssl4sar.core.errors import UserError


def summary_of(tmp_path: Path, missing: int) -> FetchSummary:
    paths = []
    for number in range(5):
        product = made_product(number)
        provider = MemoryProvider(missing="gone" if number < missing else None)
        path = tmp_path / f"{product.name}.json"
        fetch_product(product, provider, tmp_path / product.name, Selection()).write(path)
        paths.append(path)
    return FetchSummary.read(paths)


def test_a_summary_counts_and_lists(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, missing=2)
    assert "3 products" in str(summary)
    assert "2 missing" in str(summary)
    summary.write_table(tmp_path / "all.csv")
    rows = (tmp_path / "all.csv").read_text().splitlines()
    assert len(rows) == 6
    assert sum("gone; ask the provider" in row for row in rows) == 2


def test_too_many_missing_products_are_refused_with_what_to_do(tmp_path: Path) -> None:
    summary = summary_of(tmp_path, missing=2)
    summary.require(2, Path("all.csv"))
    with pytest.raises(UserError) as error:
        summary.require(1, Path("all.csv"))
    told = str(error.value)
    assert "2 of 5 products" in told
    assert "acquisition.max_missing 1" in told
    assert f"rm {tmp_path / made_product(0).name}.json" in told
    assert "\n" not in told
