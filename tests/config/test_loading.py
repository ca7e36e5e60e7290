from __future__ import annotations

from pathlib import Path

import pytest

from ssl4sar.config.loading import read_config, study_from
from ssl4sar.core.errors import UserError

PROJECT = Path(__file__).resolve().parents[2]
FILES = sorted((PROJECT / "config").glob("*.yaml"))
GLACIERS = "caffe.test_glaciers must be a list of glacier names, e.g. [JAC], or null"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_shipped_files_are_valid(path: Path) -> None:
    values = read_config(path)
    if values.get("caffe", {}).get("source") == "local":
        values["caffe_root"] = "/data"
    assert study_from(values, path).name


def test_run_names_are_unique() -> None:
    names = [read_config(path)["name"] for path in FILES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": "x", "trianing": {}}, "trianing is not a known key (did you mean training?)"),
        ({"name": "x", "zzz": 1}, "zzz is not a known key (allowed: name, seeds, models"),
        (
            {"name": "x", "training": {"lr": 1}},
            "training.lr is not a known key (allowed: epochs, samples_per_epoch",
        ),
        (
            {"name": "x", "training": {"augmentation": {"flip": 1}}},
            "training.augmentation.flip is not a known key",
        ),
        ({}, "name is missing"),
        ({"name": "A b"}, "name: string should match pattern"),
        (
            {"name": "x", "training": {"optimiser": "adam"}},
            "training.optimiser: input should be 'sgd' or 'adamw', got 'adam'",
        ),
        ({"name": "x", "training": {"epochs": 0}}, "training.epochs: input should be greater"),
        ({"name": "x", "caffe": {"source": "local"}}, "caffe.root is missing"),
        ({"name": "x", "caffe": {"test_glaciers": []}}, GLACIERS),
        ({"name": "x", "caffe_test_glaciers": "COL"}, GLACIERS),
        (
            {"name": "x", "caffe": {"url": "https://me:secret@example.org/a.zip"}},
            "caffe.url cannot be used as an address: it holds a user name or password",
        ),
        ({"name": "x", "caffe": {"root": "/d"}}, "caffe.root has no meaning"),
        (
            {
                "name": "x",
                "models": {"a": {"network": {"name": "tyrion", "num_heads": [5, 6, 12, 24]}}},
            },
            "models.a.network.num_heads: 5 heads",
        ),
        ({"name": "x", "prediction": {"stride_px": 300}}, "prediction.stride_px: 300 is larger"),
        (
            {"name": "x", "training": {"validation_stride_px": 257}},
            "training.validation_stride_px: 257 is larger than prediction.centre_px 256",
        ),
        (
            {"name": "x", "training": {"series": {"window": "past", "predicted": "all"}}},
            "training.series.predicted: all of a series are predicted from later images too",
        ),
        (
            {
                "name": "x",
                "models": {"a": {"network": {"name": "temporal_tyrion"}}},
                "prediction": {"date_mean": {"share": 0.5, "window": "past"}},
            },
            "prediction.series.window: with all, a sees later images",
        ),
        ({"name": "x", "compare": []}, "compare: tuple should have"),
        ({"name": "x", "ssl4sar": {"source": "local"}}, "ssl4sar.root is missing"),
        ({"name": "x", "ssl4sar": {"source": "built"}}, "ssl4sar.root is missing"),
        ({"name": "x", "ssl4sar": {"root": "/d"}}, "ssl4sar.root has no meaning"),
        (
            {"name": "x", "ssl4sar": {"record_url": "https://me:secret@example.org/api"}},
            "ssl4sar.record_url cannot be used as an address: it holds a user name or password",
        ),
        (
            {"name": "x", "opttranslator": {"mask_ratio": 0.3}},
            "opttranslator.mask_ratio is not a known key",
        ),
        ({"name": "x", "optsimmim": {"mask_ratio": 1}}, "optsimmim.mask_ratio: input should be"),
        (
            {"name": "x", "compute": {"devices": 3}},
            "3 processes cannot share training.batch_size 16 * training.accumulate_batches 1",
        ),
        ({"name": "x", "seeds": [1, 1]}, "seeds: need different"),
        ({"name": "x", "seeds": []}, "seeds: tuple should have at least 1 item"),
        (
            {"name": "x", "training": {"augmentation": {"gamma_range": [2, 1]}}},
            "training.augmentation.gamma_range: need 0 < smallest",
        ),
    ],
)
def test_wrong_keys_and_values_name_key_file_and_remedy(values: dict, told: str) -> None:
    with pytest.raises(UserError) as caught:
        study_from(values, "my.yaml")
    text = str(caught.value)
    assert text.startswith("my.yaml: ")
    assert told in text
    assert "config/README.md" in text
    assert "\n" not in text


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(UserError) as caught:
        study_from({"name": "x", "sead": 1, "training": {"epochs": "many"}}, "my.yaml")
    assert "sead" in str(caught.value)
    assert "training.epochs" in str(caught.value)


def test_root_shortcut() -> None:
    study = study_from({"name": "x", "caffe_root": "/data/tree"}, "f")
    assert (study.caffe.source, study.caffe.root) == ("local", "/data/tree")


@pytest.mark.parametrize(
    ("text", "told"),
    [("a: [1", r"not YAML \(.*line 1\)"), ("", "holds no keys"), ("- 1", "no keys")],
)
def test_unreadable_files_are_reported(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=told):
        read_config(path)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_config(tmp_path / "c.yaml")
