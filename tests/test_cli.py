"""The command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pair_folder import write_pairs

from ssl4sar.cli import main
from ssl4sar.core.gray_png import read_gray
from ssl4sar.version import VERSION


def arguments(golden: Path, out: Path, predictions: Path | None = None) -> list[str]:
    return [
        "evaluate",
        *("--predictions", str(predictions or golden / "predictions")),
        *("--zones", str(golden / "zones")),
        *("--fronts", str(golden / "fronts")),
        *("--bounding-boxes", str(golden / "bounding_boxes")),
        *("--out", str(out)),
    ]


@pytest.fixture
def golden(test_data: Path) -> Path:
    return test_data / "golden"


@pytest.fixture
def predictions(golden: Path, tmp_path: Path) -> Path:
    """A private copy that may be changed."""
    folder = tmp_path / "predictions"
    shutil.copytree(golden / "predictions", folder)
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder


def test_evaluate_reproduces_the_official_numbers(golden: Path, tmp_path: Path, capsys) -> None:
    out, fronts = tmp_path / "a" / "result.json", tmp_path / "fronts"
    options = ["--fronts-out", str(fronts), "--name", "golden cases", "--workers", "2"]
    assert main([*arguments(golden, out), *options]) == 0
    result = json.loads(out.read_text())
    official = json.loads((golden / "cases.json").read_text())
    assert result["dataset"]["name"] == "golden cases"
    assert result["dataset"]["comparable_with_published"] is False
    assert result["mde_m"]["mean"] == pytest.approx(official["subsets"]["all"]["mde_m"], rel=1e-6)
    assert result["runs"][0]["no_front"] == 5
    assert set(result["subsets"]) == set(official["subsets"])
    for case in official["cases"]:
        error_m = case["official"]["mean_error_m"]
        wanted = error_m if error_m is None else pytest.approx(error_m, rel=1e-6)
        assert result["per_image"][case["name"]]["mde_m"] == wanted
        written = read_gray(fronts / f"{case['name']}_front.png")
        expected = read_gray(golden / "official_fronts" / f"{case['name']}.png")
        np.testing.assert_array_equal(written, expected)
    printed = capsys.readouterr().out
    assert "NOT COMPARABLE" in printed
    assert "177.4" in printed


def test_mistake_is_one_line_and_exit_2(golden: Path, predictions: Path, tmp_path, capsys) -> None:
    for file in sorted(predictions.iterdir())[:3]:
        file.unlink()
    assert main(arguments(golden, tmp_path / "r.json", predictions)) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("ssl4sar: error: ")
    assert "3 of 20 predictions are missing" in told[0]
    assert not (tmp_path / "r.json").exists()


def test_interruption_has_no_traceback(golden: Path, tmp_path, capsys, monkeypatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ssl4sar.evaluate.command.score_folder", interrupt)
    assert main(arguments(golden, tmp_path / "r.json")) == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "ssl4sar: error: interrupted; files written so far are complete"


def test_validate_counts_the_problems(test_data: Path, tmp_path: Path, capsys) -> None:
    source = test_data / "caffe80" / "data_raw"
    tree = tmp_path / "tree"
    name = "Crane_2002-11-09_ERS_80_2_061"
    for split in ("train", "test"):
        scene = name if split == "test" else "DBE_1995-11-09_ERS_80_3_061"
        scene = (
            scene
            if (source / f"sar_images/{split}/{scene}.png").exists()
            else next((source / f"sar_images/{split}").iterdir()).stem
        )
        for folder, suffix in (("sar_images", ""), ("zones", "_zones"), ("fronts", "_front")):
            (tree / folder / split).mkdir(parents=True)
            shutil.copy(source / folder / split / f"{scene}{suffix}.png", tree / folder / split)
        (tree / "bounding_boxes").mkdir(exist_ok=True)
        box = f"bounding_boxes/{scene}_front_extent_coord.txt"
        shutil.copy(source / box, tree / box)
    assert main(["validate", str(tree), "--out", str(tmp_path / "report.json")]) == 0
    assert json.loads((tmp_path / "report.json").read_text())["ok"] is True
    # The folder above the tree does too, whatever the number of workers.
    parent = ["validate", str(tmp_path), "--workers", "1", "--out", str(tmp_path / "again.json")]
    assert main(parent) == 0
    assert (tmp_path / "again.json").read_text() == (tmp_path / "report.json").read_text()
    (tree / "bounding_boxes" / f"{name}_front_extent_coord.txt").unlink()
    assert main(["validate", str(tree)]) == 1
    assert name in capsys.readouterr().out


def test_validate_checks_pairs(tmp_path: Path, capsys) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    pairs.sar("train", "S1_Mapple_20200703_014.png")
    command = ["validate", "--pairs", str(pairs.root), "--workers", "1"]
    assert main([*command, "--out", str(tmp_path / "report.json")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["source"] == "local"
    assert report["excluded"] == [{"glacier": "Mapple", "train": 1, "val": 0, "optical": 0}]
    assert "left out with 1 training" in capsys.readouterr().out
    assert main([*command, "--allow-test-glaciers"]) == 1
    assert "no optical image of the glacier Mapple" in capsys.readouterr().out
    pairs.sar("train", "S1_Store_20200703_014.png")
    assert main(command) == 1
    assert main([*command, "--leave-out", "S1_Store_*", "S1_B_20200703_014.png"]) == 0
    told = capsys.readouterr().out
    assert "S1_Store_20200703_014.png is left out: ssl4sar.leave_out: S1_Store_*" in told
    assert "S1_B_20200703_014.png is left out" in told
    (pairs.root / "dataset.json").write_text("{}")
    assert main(command) == 1
    assert (
        "error dataset.json: this is not a valid manifest of a pretraining dataset"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "one of the arguments DIR --pairs is required"),
        (["a", "--pairs", "b"], "not allowed with argument"),
    ],
)
def test_validate_wants_one_dataset(arguments: list[str], told: str, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["validate", *arguments])
    assert told in capsys.readouterr().err


def test_validate_tells_a_useless_option_and_a_missing_dataset(tmp_path: Path, capsys) -> None:
    for option in (["--allow-test-glaciers"], ["--leave-out", "x.png"]):
        assert main(["validate", str(tmp_path), *option]) == 2
        assert f"{option[0]}: it belongs to --pairs" in capsys.readouterr().err
    assert main(["validate", "--pairs", str(tmp_path)]) == 2
    assert "the folders are missing: unlabeled_data_raw_train" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["folder", "afile/y/x.json", f"{'x' * 300}.json"])
def test_an_impossible_output_is_one_line(golden: Path, tmp_path: Path, capsys, out: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "afile").write_text("old")
    assert main(arguments(golden, tmp_path / out)) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("ssl4sar: error: ")
    assert Path(out).name[:200] in told
    assert (tmp_path / "afile").read_text() == "old"


def test_any_other_failing_file_is_named_in_one_line(tmp_path: Path, capsys, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error", "/data/zones")

    monkeypatch.setattr("ssl4sar.acquire.caffe.find_caffe_root", fail)
    assert main(["validate", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("ssl4sar: error: /data/zones: Input/output error; ")


def test_panels_draws_a_running_pretraining(tmp_path: Path, capsys) -> None:
    assert main(["panels", str(tmp_path)]) == 2
    assert "there are no pictures of a pretraining" in capsys.readouterr().err
    image = np.zeros((1, 3, 8, 8), np.uint8)
    arrays = {"sar": image[:, 0], "true": image, "predicted": image[None]}
    np.savez(tmp_path / "pictures.npz", epochs=[10], names=["tile"], synthetic=False, **arrays)
    assert main(["panels", str(tmp_path), "--out", str(tmp_path / "a.png")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a.png'}: epoch 10\n"
    assert (tmp_path / "a.png").is_file()


def test_version_and_help(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"ssl4sar {VERSION}\n"
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "--bounding-boxes" in told
    assert "replaced only on success" in told
    assert "Otsu" in told


@pytest.mark.parametrize("line", [[], ["unknown"], ["evaluate"], ["evaluate", "--workers", "0"]])
def test_wrong_usage_exits_2(line: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(line)
    assert stop.value.code == 2
    assert "usage: ssl4sar" in capsys.readouterr().err


def test_start_is_light() -> None:
    code = (
        "import sys, ssl4sar.cli; "
        "print(sorted({'numpy', 'torch', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
