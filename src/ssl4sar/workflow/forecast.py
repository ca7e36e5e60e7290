"""What a fetch of all products means, said before it begins: counts, bytes, days, free disk."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from ssl4sar.acquire.fetch_record import FetchRecord
from ssl4sar.acquire.product import Product
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.space import free_bytes
from ssl4sar.core.wording import counted, size_text

SCENES: Final = Path("data/scenes")


def forecast(config: StudyConfig, glaciers: int, products: Collection[Product], orbits: int) -> str:
    """Return what fetching products means, as lines for a person."""
    records = {product.name: SCENES / f"{product.name}.json" for product in products}
    ahead = [product for product in products if not records[product.name].is_file()]
    there = len(products) - len(ahead)
    found = [FetchRecord.read_if_usable(path) for path in records.values() if path.is_file()]
    # The job that reads a damaged record says what is wrong with it.
    missing = sum(record is not None and record.status == "missing" for record in found)
    offline = sum(not product.online for product in ahead)
    left_out = len(set(config.acquisition.leave_out))
    sizes = [_wanted_bytes(product, config) for product in ahead]
    unknown, ahead_bytes = sizes.count(None), sum(size or 0 for size in sizes)
    free = free_bytes(SCENES)
    radar = sum(product.mission == "sentinel-1" for product in products)
    lines = [
        f"{config.name}: {radar} Sentinel-1 and {len(products) - radar} Sentinel-2 products of "
        f"{counted(glaciers, 'glacier')}, {counted(orbits, 'orbit file')}, from "
        f"{config.sentinel.provider}",
        f"  {there - missing} there; {_to_come(ahead_bytes, unknown)} to come"
        + (f"; {missing} unavailable" if missing else "")
        + (f"; {offline} listed as offline" if offline else "")
        + (f"; {left_out} left out" if left_out else ""),
    ]
    cdse = config.cdse
    if config.sentinel.provider == "cdse" and ahead_bytes:
        hours = ahead_bytes / (cdse.connections * cdse.connection_mb_s * 1e6) / 3600
        days = ahead_bytes / (cdse.quota_tb * 1e12) * cdse.quota_days
        lines.append(
            f"  at least {hours:.1f} h with {cdse.connections} connections of "
            f"{cdse.connection_mb_s:g} MB/s; {days:.1f} days of the quota "
            f"({cdse.quota_tb:g} TB in {cdse.quota_days} days)"
        )
    enough = "" if ahead_bytes < free else ": NOT ENOUGH"
    lines.append(f"  {size_text(free)} free on the disk{enough}")
    return "\n".join(lines)


def _wanted_bytes(product: Product, config: StudyConfig) -> int | None:
    """Return about how much of a product is fetched; None where its size is not known."""
    if product.size_bytes is None:
        return None
    nodes = product.provider == "cdse" and not config.cdse.whole_products
    shares = len(product.polarisations) if nodes and product.mission == "sentinel-1" else 1
    return product.size_bytes // max(shares, 1)


def _to_come(known_bytes: int, unknown: int) -> str:
    sizeless = f"{counted(unknown, 'product')} of unknown size"
    if unknown and not known_bytes:
        return sizeless
    return size_text(known_bytes) + (f" and {sizeless}" if unknown else "")
