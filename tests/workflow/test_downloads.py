"""What comes over the network comes first, once, by one target, whatever the program says then.

The archives and weights are served on this machine; the log of the server says what was asked.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import timm
import torch
from dry_runs import Change, differences
from made_elevation import FileService, file_service
from micro_study import RENDERED, fine_tuned, micro, with_values
from project_copy import House
from reworded import reworded
from safetensors.torch import save

from ssl4sar.core.pair_layout import OPTICAL_FOLDER, SAR_FOLDERS
from ssl4sar.models.checkpoint import read_torch_file
from ssl4sar.workflow.study import (
    CAFFE_ARCHIVE,
    DOWNLOADED_PAIRS,
    EXTRACTED_LISTING,
    EXTRACTED_PAIRS,
    FETCHED_WEIGHTS,
    open_study,
)

PROJECT = Path(__file__).resolve().parents[2]


def study(**values: object):
    return open_study({"name": "x", **values}, [], {}, PROJECT)


def rows(*weights: str) -> dict[str, dict[str, str]]:
    return {each: {"weights": each} for each in weights}


def test_what_comes_over_the_network_follows_the_configuration(tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    own.write_bytes(b"")
    pangaea, imagenet = {"source": "pangaea"}, rows("imagenet")
    assert study().retrieved == []
    assert study(caffe=pangaea).retrieved == [CAFFE_ARCHIVE]
    assert study(models=imagenet).retrieved == [FETCHED_WEIGHTS]
    assert study(caffe=pangaea, models=imagenet).retrieved == [CAFFE_ARCHIVE, FETCHED_WEIGHTS]
    given = {"mine": {"weights": "imagenet", "weights_file": str(own)}}
    assert study(models=given).retrieved == []
    assert study(models=given).finetune_weights(SimpleNamespace(model="mine")) == [str(own)]
    zenodo = {"source": "zenodo"}
    assert study(ssl4sar=zenodo, models=rows("optsimmim")).retrieved == [DOWNLOADED_PAIRS]
    assert "nothing to fetch" in study().retrieval
    assert FETCHED_WEIGHTS in study(models=imagenet).retrieval


@pytest.mark.parametrize(
    ("model", "compare", "start", "expected"),
    [
        # Nothing is pretrained: neither pairs nor weights are for anything.
        ("none", ["none"], "imagenet", []),
        ("imagenet", ["none"], "imagenet", [FETCHED_WEIGHTS]),
        ("none", ["none", "imagenet"], "none", [FETCHED_WEIGHTS]),
        ("optsimmim", ["none"], "imagenet", [DOWNLOADED_PAIRS, FETCHED_WEIGHTS]),
        ("optsimmim", ["none"], "none", [DOWNLOADED_PAIRS]),
    ],
)
def test_what_no_model_behind_the_results_needs_is_not_fetched(
    model: str, compare: list[str], start: str, expected: list[str]
) -> None:
    values = {"ssl4sar": {"source": "zenodo"}, "pretraining": {"weights": start}}
    models = rows("none", "imagenet", "optsimmim")
    assert study(models=models, model=model, compare=compare, **values).retrieved == expected


def weights() -> bytes:
    """Return weights that fit the network of the smallest study."""
    torch.manual_seed(0)
    model = timm.create_model(
        "swinv2_tiny_window16_256",
        img_size=64,
        window_size=4,
        embed_dim=8,
        depths=(1, 1, 1, 1),
        num_heads=(1, 1, 1, 1),
        num_classes=3,
    )
    return save({key: value.contiguous() for key, value in model.state_dict().items()})


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


@pytest.fixture
def service(finished_study: House) -> Iterator[FileService]:
    """The archive of CaFFe, a record with the archive of the pairs, and weights."""
    tree = finished_study.root / RENDERED
    scenes = {
        f"data_raw/{path.relative_to(tree)}": path.read_bytes()
        for path in sorted(tree.rglob("*.*"))
        if path.suffix in {".png", ".txt"}
    }
    pairs = zipped(
        {
            f"{name}/S1_Kronebreen_20200703_014.tif": name.encode()
            for name in (*SAR_FOLDERS.values(), OPTICAL_FOLDER)
        }
    )
    with file_service() as running:
        file = {
            "key": "all.zip",
            "size": len(pairs),
            "checksum": "md5:" + hashlib.md5(pairs).hexdigest(),
            "links": {"self": f"{running.url}/all.zip"},
        }
        record = {"doi": "10.5281/zenodo.7", "files": [file]}
        running.files |= {
            "/data_raw.zip": zipped(scenes),
            "/all.zip": pairs,
            "/record": json.dumps(record).encode(),
            "/model.safetensors": weights(),
        }
        yield running


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_downloads_are_made_once_and_the_rest_needs_no_network(
    finished: House, service: FileService
) -> None:
    sha256 = hashlib.sha256(service.files["/model.safetensors"]).hexdigest()
    row = {**micro()["models"]["none"], "weights": "imagenet"}
    given = {"models.imagenet": row, "model": "imagenet", "pretraining.weights": "imagenet"}
    given |= {"weights.url": f"{service.url}/model.safetensors", "weights.sha256": sha256}
    fetching = {
        **given,
        "caffe.source": "pangaea",
        "caffe.url": f"{service.url}/data_raw.zip",
        "ssl4sar.source": "zenodo",
        "ssl4sar.record_url": f"{service.url}/record",
    }
    finished.configure({})
    assert "micro: nothing to fetch" in finished.build(target="retrieve")
    finished.configure(fetching)
    fetched = {"retrieve", "download_caffe", "download_ssl4sar", "fetch_weights"}
    assert finished.planned(target="retrieve") == fetched
    finished.build(target="retrieve")
    weights_file = finished.root / FETCHED_WEIGHTS
    assert weights_file.read_bytes() == service.files["/model.safetensors"]
    asked = list(service.asked)
    assert asked

    # Whoever asks the network from here on fails.
    service.files.clear()
    targets = (EXTRACTED_LISTING, EXTRACTED_PAIRS, FETCHED_WEIGHTS)
    finished.build(target=" ".join(targets))

    # No edit of the program repeats a download: neither a renamed line of progress nor code.
    messages = {
        path.relative_to(finished.root).as_posix(): reworded(path)
        for path in (finished.root / "src/ssl4sar/acquire").rglob("*.py")
    }
    download = "src/ssl4sar/acquire/network/download.py"
    assert "reworded: " in messages[download]
    scripts = [f"workflow/scripts/{rule}.py" for rule in ("download_caffe", "fetch_weights")]
    extracted = {"extract_caffe", "extract_ssl4sar"}

    def changed(**values: object) -> dict[str, str]:
        keys = {name.replace("__", "."): value for name, value in values.items()}
        return {finished.config: yaml_of({**fetching, **keys})}

    wrong = differences(
        finished.root,
        [
            Change("all texts of the acquisition", set(), messages),
            Change("code of downloads", set(), dict.fromkeys([download, *scripts])),
            Change(
                "code of the extraction",
                extracted,
                {"src/ssl4sar/acquire/extract.py": None},
            ),
            Change(
                "address of CaFFe",
                {"download_caffe", "extract_caffe"},
                changed(caffe__url=f"{service.url}/other.zip"),
            ),
            Change(
                "checksum of CaFFe",
                {"download_caffe", "extract_caffe"},
                changed(caffe__sha256="0" * 64),
            ),
            Change(
                "record of the pairs",
                {"download_ssl4sar", "extract_ssl4sar"},
                changed(ssl4sar__record_url=f"{service.url}/other"),
            ),
            Change("checksum of the weights", {"fetch_weights"}, changed(weights__sha256="0" * 64)),
        ],
        *("--configfile", finished.config, "--", *targets),
    )
    assert wrong == []
    # With the texts really changed, a real run.
    for name, text in messages.items():
        (finished.root / name).write_text(text, encoding="utf-8")
    assert "Nothing to be done" in finished.build(target=" ".join(targets))

    # A training from the fetched weights on the scenes that are there.
    finished.configure(given)
    model = f"{fine_tuned(model='imagenet')}/model.ckpt"
    assert finished.planned(target=model) == {"finetune"}
    finished.build(target=model)
    assert sha256 in str(read_torch_file(finished.root / model))
    assert service.asked == asked


def yaml_of(changes: dict[str, object]) -> str:
    """Return the configuration of the smallest study with some values changed."""
    import yaml

    return yaml.safe_dump(with_values(micro(), changes))
