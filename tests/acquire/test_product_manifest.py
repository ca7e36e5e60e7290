"""A rule that reads a product has its manifest as input, and follows its files alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_products import MemoryProvider, made_product
from project_copy import House

from ssl4sar.acquire.fetch import fetch_product
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.query import Selection

#: The triggers of the workflow's default profile.
TRIGGERS = ("--rerun-triggers", "mtime", "params", "input", "software-env")
READER = """
rule read_scene:
    input:
        "data/scenes/{product}.manifest.json",
    output:
        "read/{product}.txt",
    shell:
        "cp {input} {output}"
"""


@pytest.mark.slow
def test_what_reads_a_product_by_its_manifest_runs_again_only_for_other_files(
    tmp_path: Path,
) -> None:
    product = made_product()
    (tmp_path / "Snakefile").write_text(READER)
    (tmp_path / "none.yaml").write_text("{}")
    house = House(tmp_path, config="none.yaml", execution=("-c1", *TRIGGERS))

    def fetch(product: Product, content: bytes) -> None:
        provider = MemoryProvider({"hh.tiff": content})
        folder = tmp_path / "data/scenes" / product.name
        record = fetch_product(product, provider, folder, Selection())
        record.manifest().write(folder.with_name(f"{product.name}.manifest.json"))

    def snakemake(*arguments: str) -> str:
        target = f"read/{product.name}.txt"
        return house.build(*arguments, target=target)

    fetch(product, b"pixels")
    snakemake()
    # What the catalogue says of it has changed, and the job that fetches it has run again.
    fetch(replace(product, online=False, urls={"product": "http://elsewhere"}), b"pixels")
    assert "Nothing to be done" in snakemake("-n")

    (tmp_path / "data/scenes" / product.name / f"{product.name}.SAFE" / "hh.tiff").unlink()
    fetch(product, b"other")
    assert "rule read_scene" in snakemake("-n")
