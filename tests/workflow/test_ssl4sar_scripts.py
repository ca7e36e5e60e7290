"""The scripts that fetch and extract the SSL4SAR dataset."""

from __future__ import annotations

import json
import re
import runpy
import threading
import zipfile
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ssl4sar.core.hashing import file_digests, sha256_file
from ssl4sar.workflow.study import DOWNLOADED_PAIRS, EXTRACTED_PAIRS

PROJECT = Path(__file__).resolve().parents[2]
FILES = {
    "unlabeled_data_raw_train/S1_Kronebreen_1.png": b"train",
    "unlabeled_data_raw_val/S1_Kronebreen_2.png": b"val",
    "data_optical/Kronebreen_S2.tif": b"optical",
}


def main_of(script: str) -> Callable[..., Any]:
    return runpy.run_path(str(PROJECT / "workflow/scripts" / f"{script}.py"))["main"]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_record_is_fetched_extracted_and_listed(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    with zipfile.ZipFile(served / "all.zip", "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    address = f"http://127.0.0.1:{http.server_port}"
    md5 = file_digests(served / "all.zip", {"md5"})["md5"]
    entry = {
        "key": "all.zip",
        "size": (served / "all.zip").stat().st_size,
        "checksum": f"md5:{md5}",
        "links": {"self": f"{address}/all.zip"},
    }
    (served / "record").write_text(json.dumps({"doi": "10.5281/zenodo.7", "files": [entry]}))
    archives, record = tmp_path / "archives", tmp_path / "archives.json"
    try:
        main_of("download_ssl4sar")({"ssl4sar.record_url": f"{address}/record"}, archives, record)
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
    frozen = json.loads(record.read_text())
    assert frozen["doi"] == "10.5281/zenodo.7"
    assert frozen["archives"][0]["sha256"] == sha256_file(archives / "all.zip")
    # Snakemake marks the folders that a job has made.
    (archives / ".snakemake_timestamp").touch()
    texts = []
    for name in ("one", "two"):
        folder, listing = tmp_path / name, tmp_path / f"{name}.json"
        main_of("extract_ssl4sar")(record, archives, folder, listing)
        texts.append(listing.read_bytes())
    assert texts[0] == texts[1]
    assert json.loads(texts[0]) == {
        name: {"bytes": len(content), "sha256": sha256_file(tmp_path / "one" / name)}
        for name, content in sorted(FILES.items())
    }


def test_the_download_runs_where_snakemake_runs_and_the_extraction_does_not() -> None:
    text = (PROJECT / "workflow/rules/acquire.smk").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", text, re.MULTILINE | re.DOTALL))
    assert "    localrule: True\n" in blocks["download_ssl4sar"]
    assert "    localrule: True\n" not in blocks["extract_ssl4sar"]
    assert f'"{DOWNLOADED_PAIRS}"' in blocks["download_ssl4sar"]
    assert f'"{EXTRACTED_PAIRS}"' in blocks["extract_ssl4sar"]
