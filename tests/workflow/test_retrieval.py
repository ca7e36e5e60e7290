"""Everything from the network comes first, by one target; the rest of the workflow needs none."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from ssl4sar.models.checkpoint import read_torch_file
from ssl4sar.workflow.study import CAFFE_ARCHIVE, DOWNLOADED_PAIRS, FETCHED_WEIGHTS, open_study

PROJECT = Path(__file__).resolve().parents[2]


def study(**values: object):
    return open_study({"name": "x", **values}, [], {}, PROJECT)


def test_what_comes_over_the_network_follows_the_configuration(tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    own.write_bytes(b"")
    pangaea, timm_weights = {"source": "pangaea"}, {"weights": "timm"}
    assert study().retrieved == []
    assert study(caffe=pangaea).retrieved == [CAFFE_ARCHIVE]
    assert study(model=timm_weights).retrieved == [FETCHED_WEIGHTS]
    assert study(caffe=pangaea, model=timm_weights).retrieved == [CAFFE_ARCHIVE, FETCHED_WEIGHTS]
    given = study(model={**timm_weights, "weights_file": str(own)})
    assert given.retrieved == []
    assert given.weights_files == [str(own)]
    assert study(ssl4sar={"source": "zenodo"}).retrieved == [DOWNLOADED_PAIRS]
    assert "nothing to fetch" in study().retrieval
    assert FETCHED_WEIGHTS in study(model=timm_weights).retrieval


@pytest.mark.parametrize(
    ("pretraining", "expected"),
    [
        # Nothing is pretrained: neither pairs nor weights are for anything.
        ({"variant": "none", "compare": ["none"]}, []),
        ({"variant": "imagenet", "compare": ["none"]}, [FETCHED_WEIGHTS]),
        ({"variant": "none", "compare": ["none", "imagenet"]}, [FETCHED_WEIGHTS]),
        ({"variant": "optsimmim", "compare": ["none"]}, [DOWNLOADED_PAIRS, FETCHED_WEIGHTS]),
        (
            {"variant": "optsimmim", "compare": ["none"], "from_starting_weights": False},
            [DOWNLOADED_PAIRS],
        ),
    ],
)
def test_what_no_starting_point_needs_is_not_fetched(
    pretraining: dict[str, object], expected: list[str]
) -> None:
    zenodo, timm_weights = {"source": "zenodo"}, {"weights": "timm"}
    made = study(ssl4sar=zenodo, model=timm_weights, pretraining=pretraining)
    assert made.retrieved == expected


def test_network_rules_run_where_snakemake_runs() -> None:
    text = (PROJECT / "workflow/rules/acquire.smk").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", text, re.MULTILINE | re.DOTALL))
    local = {name for name, block in blocks.items() if "    localrule: True\n" in block}
    assert local == {"download_caffe", "download_ssl4sar", "fetch_weights"}
    assert f'archive="{CAFFE_ARCHIVE}"' in blocks["download_caffe"]
    assert f'weights="{FETCHED_WEIGHTS}"' in blocks["fetch_weights"]
    assert f'"{DOWNLOADED_PAIRS}"' in blocks["download_ssl4sar"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("config/config.yaml", {"retrieve"}),
        (
            "config/paper.yaml",
            {"retrieve", "download_caffe", "download_ssl4sar", "fetch_weights"},
        ),
    ],
)
def test_dry_run_of_the_retrieval(house, config: str, expected: set[str]) -> None:
    house.target = "retrieve"
    assert house.planned(config=config) == expected


@pytest.mark.slow
def test_nothing_to_fetch_is_told_and_no_failure(house) -> None:
    done = house.snakemake("--configfile", "config/micro.yaml", "--", "retrieve")
    assert done.returncode == 0, done.stderr
    assert "micro: nothing to fetch" in done.stdout + done.stderr
    assert not (house.root / "resources").exists()


@pytest.fixture
def weights_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server of plain files with weights that fit the micro network."""
    folder = tmp_path / "served"
    folder.mkdir()
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
    file = folder / "model.safetensors"
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, file)

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}/model.safetensors", file
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.mark.slow
def test_weights_are_fetched_once_and_the_training_needs_no_network(
    house, weights_server: tuple[str, Path]
) -> None:
    url, served = weights_server
    sha256 = hashlib.sha256(served.read_bytes()).hexdigest()
    config = house.root / house.config
    text = config.read_text().replace("window_tokens: 4", "window_tokens: 4\n  weights: timm")
    text = text.replace("variant: none", "variant: imagenet").replace("[none]", "[imagenet]")
    config.write_text(f"{text}\nweights:\n  url: {url}\n  sha256: {sha256}\n")

    arguments = ("--configfile", house.config)
    done = house.snakemake(*arguments, "--", "retrieve")
    assert done.returncode == 0, done.stderr[-3000:]
    assert (house.root / FETCHED_WEIGHTS).read_bytes() == served.read_bytes()
    again = house.snakemake(*arguments, "-n", "--", "retrieve")
    assert "fetch_weights" not in again.stdout + again.stderr

    served.unlink()  # whoever asks the network now fails
    model = "runs/micro/finetune/imagenet/seed0/model.ckpt"
    trained = house.snakemake(*arguments, "--", model)
    assert trained.returncode == 0, trained.stderr[-3000:]
    facts = str(read_torch_file(house.root / model))
    assert sha256 in facts
