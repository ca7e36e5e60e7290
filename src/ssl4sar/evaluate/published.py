"""Published numbers on the official CaFFe test set, as reference rows beside a result.

None of them was reproduced here. They hold for the 122 official full-size test images only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TEST_SET: Final = "official CaFFe test set: 122 full-size images of COL and Mapple"


@dataclass(frozen=True)
class PublishedRow:
    """Numbers of a published system; None where a number is not known.

    Attributes:
        system: name.
        mde_m: mean distance error, metres.
        mde_std_m: its standard deviation over the runs, metres.
        mde_runs_m: the runs, metres, where they are known.
        no_front: images without a predicted front (mean over the runs).
        iou_percent: zone IoU, percent.
        source: where the numbers stand.
        remark: what a reader must know.
    """

    system: str
    mde_m: float
    source: str
    mde_std_m: float | None = None
    mde_runs_m: tuple[float, ...] = ()
    no_front: float | None = None
    iou_percent: float | None = None
    remark: str | None = None


SSL4SAR_RUNS: Final = (
    "run values in the code of Gourmelon et al. 2025 (doi:10.1109/TGRS.2025.3580945), "
    "repository Nora-Go/TYRION"
)

PUBLISHED: Final = (
    PublishedRow(
        "CaFFe baseline, zones model",
        753.0,
        "Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022",
        mde_std_m=76.0,
        no_front=1.0,
        iou_percent=79.0,
        remark="the IoU is a third-party transcript of the paper's table",
    ),
    PublishedRow(
        "CaFFe baseline, fronts model",
        887.0,
        "constant in the code of the nnU-Net study (repository "
        "ho11laqe/nnUNet_calvingfront_detection)",
    ),
    PublishedRow(
        "nnU-Net, fused labels",
        541.0,
        "Herrmann et al. 2023, doi:10.5194/tc-17-4957-2023",
        mde_std_m=84.0,
    ),
    PublishedRow(
        "AMD-HookNet",
        438.0,
        "Wu et al. 2023, arXiv:2302.02744",
        mde_std_m=22.0,
        no_front=0.0,
        iou_percent=74.4,
        remark="all but the mean from a third-party transcript",
    ),
    PublishedRow(
        "AMD-HookNet++",
        367.0,
        "arXiv:2512.14639 and its repository",
        mde_std_m=30.0,
        no_front=0.0,
        iou_percent=78.2,
    ),
    PublishedRow(
        "HookFormer",
        353.0,
        "Wu et al. 2024, doi:10.1109/TGRS.2024.3368215",
        mde_std_m=16.0,
        no_front=0.0,
        iou_percent=75.5,
    ),
    PublishedRow(
        "HookFormer, rerun of the SSL4SAR study",
        360.5,
        SSL4SAR_RUNS,
        mde_std_m=12.6,
        mde_runs_m=(356.27, 338.37, 363.96, 369.92, 373.96),
    ),
    PublishedRow(
        "Tyrion, ImageNet weights only",
        342.3,
        SSL4SAR_RUNS,
        mde_std_m=25.1,
        mde_runs_m=(335.44, 313.20, 321.64, 381.09, 360.35),
    ),
    PublishedRow(
        "Tyrion + OptSimMIM pretraining",
        300.4,
        SSL4SAR_RUNS,
        mde_std_m=60.4,
        mde_runs_m=(290.80, 413.61, 236.58, 265.48, 295.54),
    ),
    PublishedRow(
        "Tyrion + OptTranslator pretraining",
        293.2,
        SSL4SAR_RUNS,
        mde_std_m=54.0,
        mde_runs_m=(269.35, 259.65, 262.35, 400.71, 273.72),
        remark="the 293 m of the paper's abstract",
    ),
    PublishedRow(
        "Multi-temporal Tyrion",
        184.4,
        "Dreier et al. 2026, arXiv:2512.11560",
        iou_percent=83.6,
        remark="uses eight images of a glacier at once",
    ),
)
