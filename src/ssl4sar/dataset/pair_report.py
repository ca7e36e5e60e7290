"""The report on a pretraining dataset: counts, what was left out, every problem."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ssl4sar.core.pair_layout import PAIR_SPLITS, PairSplit
from ssl4sar.core.printing import printable_lines
from ssl4sar.dataset.pair_manifest import ExcludedGlacier, LeftOutImage, PairManifest
from ssl4sar.dataset.pair_selection import PairRules
from ssl4sar.dataset.problems import Report, span

SCHEMA: Final = "ssl4sar.pretraining-validation/1"


@dataclass(frozen=True)
class PairCounts:
    """Numbers of a dataset.

    Attributes:
        images: Sentinel-1 images by glacier, per split.
        height_px: smallest and largest height; None without a readable image.
        width_px: smallest and largest width; None without a readable image.
        valid_fraction: share of pixels with data in all channels by glacier, 0-1.
        bytes: size of all files that are used.
    """

    images: dict[PairSplit, dict[str, int]]
    height_px: tuple[int, int] | None
    width_px: tuple[int, int] | None
    valid_fraction: dict[str, float]
    bytes: int


@dataclass(frozen=True, kw_only=True)
class PairReport(Report):
    """Result of reading a whole dataset.

    Attributes:
        rules: what was asked of it.
        manifest: facts of all images; None where there are errors.
        excluded: glaciers of the test set that were left out.
        left_out: other images that were left out.
        counts: numbers of what is used.
    """

    rules: PairRules
    manifest: PairManifest | None
    excluded: tuple[ExcludedGlacier, ...]
    left_out: tuple[LeftOutImage, ...]
    counts: PairCounts

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"schema": SCHEMA, **super().as_dict()}

    def facts(self) -> dict[str, Any]:
        """Return what was asked, what was left out, and numbers of what is used."""
        return {
            "source": self.rules.source,
            "synthetic": self.manifest.synthetic if self.manifest else None,
            "allow_test_glaciers": self.rules.allow_test_glaciers,
            "excluded": [glacier.model_dump() for glacier in self.excluded],
            "left_out": [image.model_dump() for image in self.left_out],
            "counts": asdict(self.counts),
        }

    def as_text(self) -> str:
        """Return the report for a person: counts, what was left out, every problem on a line."""
        title = "SYNTHETIC pairs" if self.manifest and self.manifest.synthetic else "pairs"
        lines = [f"{title} of SAR and optical images: {self.root}"]
        for split in PAIR_SPLITS:
            glaciers = self.counts.images[split]
            listed = ", ".join(f"{name} {count}" for name, count in glaciers.items())
            lines.append(f"  {split}: {sum(glaciers.values())} images ({listed or 'none'})")
        lines.append(
            f"  heights {span(self.counts.height_px)} px, widths {span(self.counts.width_px)} px"
        )
        shares = ", ".join(f"{n} {share:.1%}" for n, share in self.counts.valid_fraction.items())
        lines.append(f"  optical pixels with data: {shares or 'none'}")
        lines += [f"  {line}" for line in self._test_glacier_lines()]
        lines += [f"  {image.file} is left out: {image.why}" for image in self.left_out]
        return printable_lines([*lines, *self.problem_lines()])

    def _test_glacier_lines(self) -> list[str]:
        lines = [
            f"{out.glacier} is a glacier of the test set: left out with {out.train} training, "
            f"{out.val} validation and {out.optical} optical images"
            for out in self.excluded
        ]
        if self.manifest and self.manifest.included_test_glaciers:
            names = ", ".join(self.manifest.included_test_glaciers)
            lines.append(f"glaciers of the test set are used, as allowed: {names}")
        return lines or ["no image is of a glacier of the test set"]

    def checked_manifest(self, report_path: str | Path) -> PairManifest:
        """Return the manifest of a dataset without errors.

        Raises:
            UserError: there are errors; the first few are named.
        """
        # What a record published cannot be corrected: the next job would refuse the change.
        correct = "" if self.rules.source == "zenodo" else "correct the files or "
        fix = f"{correct}name them in ssl4sar.leave_out, as listed in {report_path}, and rerun"
        self.refuse_errors("pretraining dataset", fix)
        if self.manifest is None:
            raise AssertionError("a dataset without errors has a manifest")
        return self.manifest
