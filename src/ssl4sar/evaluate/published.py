"""Published numbers on the official CaFFe test set, as reference rows beside a result.

None of them was reproduced here. They hold for the 122 official full-size test images only.
"""

from __future__ import annotations

from typing import Any, Final

from ssl4sar.evaluate.schema import Published

TEST_SET: Final = "official CaFFe test set: 122 full-size images of COL and Mapple"


SSL4SAR_RUNS: Final = (
    "run values in the code of Gourmelon et al. 2025 (doi:10.1109/TGRS.2025.3580945), "
    "repository Nora-Go/TYRION"
)


def _row(system: str, mde_m: float, source: str, **known: Any) -> Published:
    unknown: dict[str, Any] = {
        "mde_std_m": None,
        "mde_runs_m": [],
        "no_front": None,
        "iou_percent": None,
    }
    facts = {**unknown, "remark": None, **known}
    return Published(system=system, mde_m=mde_m, source=source, test_set=TEST_SET, **facts)


PUBLISHED: Final = (
    _row(
        "CaFFe baseline, zones model",
        753.0,
        "Gourmelon et al. 2022, doi:10.5194/essd-14-4287-2022",
        mde_std_m=76.0,
        no_front=1.0,
        iou_percent=79.0,
        remark="the IoU is a third-party transcript of the paper's table",
    ),
    _row(
        "CaFFe baseline, fronts model",
        887.0,
        (
            "constant in the code of the nnU-Net study (repository "
            "ho11laqe/nnUNet_calvingfront_detection)"
        ),
    ),
    _row(
        "nnU-Net, fused labels",
        541.0,
        "Herrmann et al. 2023, doi:10.5194/tc-17-4957-2023",
        mde_std_m=84.0,
    ),
    _row(
        "AMD-HookNet",
        438.0,
        "Wu et al. 2023, arXiv:2302.02744",
        mde_std_m=22.0,
        no_front=0.0,
        iou_percent=74.4,
        remark="all but the mean from a third-party transcript",
    ),
    _row(
        "AMD-HookNet++",
        367.0,
        "arXiv:2512.14639 and its repository",
        mde_std_m=30.0,
        no_front=0.0,
        iou_percent=78.2,
    ),
    _row(
        "HookFormer",
        353.0,
        "Wu et al. 2024, doi:10.1109/TGRS.2024.3368215",
        mde_std_m=16.0,
        no_front=0.0,
        iou_percent=75.5,
    ),
    _row(
        "HookFormer, rerun of the SSL4SAR study",
        360.5,
        SSL4SAR_RUNS,
        mde_std_m=12.6,
        mde_runs_m=[356.27, 338.37, 363.96, 369.92, 373.96],
    ),
    _row(
        "Tyrion, ImageNet weights only",
        342.3,
        SSL4SAR_RUNS,
        mde_std_m=25.1,
        mde_runs_m=[335.44, 313.20, 321.64, 381.09, 360.35],
    ),
    _row(
        "Tyrion + OptSimMIM pretraining",
        300.4,
        SSL4SAR_RUNS,
        mde_std_m=60.4,
        mde_runs_m=[290.80, 413.61, 236.58, 265.48, 295.54],
    ),
    _row(
        "Tyrion + OptTranslator pretraining",
        293.2,
        SSL4SAR_RUNS,
        mde_std_m=54.0,
        mde_runs_m=[269.35, 259.65, 262.35, 400.71, 273.72],
        remark="the 293 m of the paper's abstract",
    ),
    _row(
        "Multi-temporal Tyrion",
        184.4,
        "Dreier et al. 2026, arXiv:2512.11560",
        iou_percent=83.6,
        remark="uses eight images of a glacier at once",
    ),
)
