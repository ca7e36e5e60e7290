"""Fetch one product of the inventories."""

from pathlib import Path

from ssl4sar.acquire.fetch import fetch_product
from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.acquire.product import Product
from ssl4sar.acquire.providers.registry import open_provider
from ssl4sar.acquire.query import Selection
from ssl4sar.config.services import Services
from ssl4sar.core.atomic import write_text
from ssl4sar.workflow.job import job


def main(
    product: Product,
    services: Services,
    selection: Selection,
    folder: Path,
    record: Path,
    manifest: Path,
    raw: Path,
    stays: bool,
) -> FetchRecord:
    """Fetch the product, or find it in its folder, and write what became of it.

    A product that stays has a mark ``raw``; another is moved there, where the workflow removes it.
    """
    if raw.is_dir() and not folder.exists():
        # It was to be removed after use, and was not.
        raw.rename(folder)
    fetched = fetch_product(product, open_provider(product.provider, services), folder, selection)
    fetched.write(record)
    fetched.manifest().write(manifest)
    if stays:
        write_text(raw, f"{folder.name}/\n")
    elif fetched.status == "fetched":
        folder.rename(raw)
    else:
        raw.mkdir()
    return fetched


if __name__ == "__main__":
    with job(snakemake) as recorder:
        folder = Path(snakemake.params.cached[0])
        mark = snakemake.output.get("mark")
        raw = Path(mark or snakemake.output.raw)
        fetched = main(
            product=Product.from_row(snakemake.params.product),
            services=Services.of_job(snakemake.config),
            selection=Selection(polarisation=snakemake.params.cfg["sentinel.polarisation"]),
            folder=folder,
            record=Path(snakemake.output.record),
            manifest=Path(snakemake.output.manifest),
            raw=raw,
            stays=mark is not None,
        )
        place = raw if mark is None else folder
        recorder.known.update({place / name: file for name, file in fetched.files.items()})
