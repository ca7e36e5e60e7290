"""Building a pair store: equal input gives equal bytes, bad input gives no store."""

from __future__ import annotations

from pathlib import Path

import pytest
from pair_folder import PairFolder

from ssl4sar.core.errors import UserError
from ssl4sar.core.gray_png import read_gray, write_gray
from ssl4sar.dataset.decoding import build_pair_store
from ssl4sar.dataset.pair_manifest import PairManifest
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.pair_store import PairStore
from ssl4sar.dataset.pair_validation import validate_pairs


def test_equal_input_gives_equal_identity_and_another_scale_another(
    built_pairs: Path, manifest: PairManifest, tmp_path: Path
) -> None:
    build_pair_store(manifest, "maximum", tmp_path / "again")
    build_pair_store(manifest, "percentile", tmp_path / "other")
    identity = PairStore.open(built_pairs).sha256
    assert PairStore.open(tmp_path / "again").sha256 == identity
    assert PairStore.open(tmp_path / "other").sha256 != identity


def test_the_spacing_is_that_of_the_image_or_its_partner(pairs: PairFolder, tmp_path: Path) -> None:
    import rasterio

    transform = rasterio.Affine(20, 0, 500000, 0, -20, 7600000)
    values = pairs.reflectance("A", (40, 50))
    pairs.raster("A_20200715_S2.tif", values, crs="EPSG:32622", transform=transform)
    report = validate_pairs(pairs.root, PairRules("local", ()))
    build_pair_store(report.checked_manifest("r"), "maximum", tmp_path / "store")
    spacings = {s.glacier: s.spacing_m for s in PairStore.open(tmp_path / "store").scenes}
    assert spacings == {"A": 20.0, "B": None, "C": None}


@pytest.mark.parametrize("what", ["sar", "optical"])
@pytest.mark.parametrize("harm", ["missing", "other"])
def test_an_image_that_was_not_checked_leaves_no_store(
    pairs: PairFolder, manifest: PairManifest, tmp_path: Path, what: str, harm: str
) -> None:
    path = manifest.path(manifest.sar[-1] if what == "sar" else manifest.optical[-1])
    if harm == "missing":
        path.unlink()
    elif what == "sar":
        write_gray(path, read_gray(path)[::-1])
    else:
        pairs.raster(path.name, pairs.reflectance("other", (20, 24)))
    told = "the file is missing" if harm == "missing" else "not the one that was checked"
    with pytest.raises(UserError, match=f"{path.name}: .*{told}"):
        build_pair_store(manifest, "maximum", tmp_path / "store")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs"]


def test_a_manifest_that_errs_about_a_size_is_refused(
    manifest: PairManifest, tmp_path: Path
) -> None:
    values = manifest.model_dump()
    for image in (*values["sar"], *values["optical"]):
        image["width"] += 1
    with pytest.raises(UserError, match="the image is 40x50 px, its manifest says 40x51 px"):
        build_pair_store(PairManifest.model_validate(values), "maximum", tmp_path / "store")
