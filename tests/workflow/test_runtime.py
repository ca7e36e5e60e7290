"""Resources from what earlier runs of the same rule took."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.workflow.runtime import LEAST_RUNTIME_MIN, mem_mb, runtime_min
from ssl4sar.workflow.study import open_study

PROJECT = Path(__file__).resolve().parents[2]
HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def record(folder: Path, name: str, seconds: object, rss: object = 100, pss: object = 90) -> None:
    path = folder / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = f"{seconds}\t0:00:00\t{rss}\t1\t1\t{pss}\t0\t0\t0\t0\n"
    path.write_text(HEADER + line)


def epochs(run: Path, seed: int, durations_s: list[object]) -> None:
    path = run / f"finetune/none/seed{seed}/metrics.csv"
    path.parent.mkdir(parents=True)
    rows = "".join(f"{epoch},{value}\n" for epoch, value in enumerate(durations_s, 1))
    path.write_text(f"epoch,duration_s\n{rows}")


def test_without_a_record_the_default_counts(tmp_path: Path) -> None:
    assert runtime_min([tmp_path / "none"], "predict", 120, 1) == 120
    assert mem_mb([tmp_path / "none"], "predict", 6000) == 6000


def test_the_longest_job_of_the_rule_counts_with_a_margin(tmp_path: Path) -> None:
    record(tmp_path, "predict/none/seed0", 3600)
    record(tmp_path, "predict/none/seed1", 7200)
    assert runtime_min([tmp_path], "predict", 30, 1) == 180
    assert runtime_min([tmp_path], "predict", 600, 1) == 180


def test_after_a_failure_the_default_counts_too(tmp_path: Path) -> None:
    # The record may be of a smaller configuration, and a job that fails renews no record.
    record(tmp_path, "predict/none/seed0", 60)
    assert runtime_min([tmp_path], "predict", 120, 1) == LEAST_RUNTIME_MIN
    assert runtime_min([tmp_path], "predict", 120, 2) == 120


def test_records_of_other_rules_do_not_count(tmp_path: Path) -> None:
    for name in ("prepare_store", "predict_old/none/seed0", "predictions", "pre/predict/seed0"):
        record(tmp_path, name, 99_999)
    assert runtime_min([tmp_path], "predict", 120, 1) == 120
    assert runtime_min([tmp_path], "prepare", 120, 1) == 120


def test_of_an_interrupted_training_all_epochs_count(tmp_path: Path) -> None:
    record(tmp_path / "b", "finetune/none/seed0", 60)  # the last piece
    epochs(tmp_path / "runs/x", 0, [1800, 1800])
    epochs(tmp_path / "runs/x", 1, [600, 600])
    folders = [tmp_path / "b"]
    assert runtime_min(folders, "finetune", 5, 1, tmp_path / "runs/x") == 90
    assert runtime_min(folders, "finetune", 5, 1) == LEAST_RUNTIME_MIN
    assert runtime_min(folders, "finetune/none", 5, 1, tmp_path / "runs/x") == 90
    assert runtime_min(folders, "finetune/aspp_unet", 5, 1, tmp_path / "runs/x") == 5
    record(tmp_path / "b", "finetune/none/seed0", 7200)
    assert runtime_min(folders, "finetune", 5, 1, tmp_path / "runs/x") == 180


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"s\nNA\n", b"s\ninf\n", b"no\n1\n"])
def test_damaged_and_empty_records_are_passed_over(tmp_path: Path, content: bytes) -> None:
    damaged = tmp_path / "finetune/none/seed0.tsv"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(content)
    table = tmp_path / "run/finetune/none/seed0/metrics.csv"
    table.parent.mkdir(parents=True)
    table.write_bytes(content.replace(b"s\n", b"duration_s\n"))
    assert runtime_min([tmp_path], "finetune", 77, 1, tmp_path / "run") == 77
    assert mem_mb([tmp_path], "finetune", 7700) == 7700
    record(tmp_path, "finetune/none/seed1", 6000)
    assert runtime_min([tmp_path], "finetune", 77, 1, tmp_path / "run") == 150


def test_memory_is_raised_and_never_lowered(tmp_path: Path) -> None:
    record(tmp_path, "predict/none/seed0", 1, rss=4000, pss=1000)
    assert mem_mb([tmp_path], "predict", 6000) == 6000
    assert mem_mb([tmp_path], "predict", 500) == 1259  # 1000 MiB in MB and a fifth more
    record(tmp_path, "predict/none/seed0", 1, rss=1000, pss="NA")
    assert mem_mb([tmp_path], "predict", 500) == 1259


def test_a_study_asks_for_more_with_every_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = open_study({"name": "x"}, [], {}, PROJECT)
    monkeypatch.chdir(tmp_path)
    assert [study.runtime("predict", 120)(None, attempt) for attempt in (1, 2, 3)] == [
        120,
        240,
        360,
    ]
    assert [study.mem_mb("predict", 6000)(None, attempt) for attempt in (1, 2)] == [6000, 12000]
    record(tmp_path / "benchmarks/results/x", "predict/none/seed0", 1200)
    record(tmp_path / "benchmarks/results/y", "predict/none/seed0", 9999)
    record(tmp_path / "benchmarks/results", "extract_caffe", 2400)
    assert study.runtime("predict", 120)(None, 1) == 30
    assert study.runtime("predict", 120)(None, 2) == 240
    assert study.runtime("extract_caffe", 5)(None, 1) == 60


@pytest.mark.slow
def test_the_workflow_asks_for_what_is_on_record_and_reruns_nothing(finished) -> None:
    record(finished.root / "benchmarks/results/micro", "predict/none/seed0", 1200, pss=9000)
    assert finished.planned() == set()
    text = finished.build("-n", "--forcerun", "predict")
    block = text.split("rule predict:")[1].split("rule ")[0]
    assert "runtime=30" in block
    assert f"mem_mb={int(9000 * 1.2 * 1.048576) + 1}" in block
