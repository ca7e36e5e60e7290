"""Fetching and verifying a product over loopback, beside a plain download of the same bytes.

    python benchmarks/acquisition_fetch.py [--mb 300]

A product of one polarisation is served by the loopback service of the tests. Printed are MB/s of a
plain ``requests.get`` to a file without any check, of our fetch (token, resumable part, checksum
of every file by the manifest), and of the verification of a product that is there. The line to the
service gives 4 x 20 MB/s at most; what counts is that our side is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import requests

PROJECT = Path(__file__).resolve().parents[1]
SERVER = """
import sys, threading, json
sys.path.insert(0, sys.argv[1])
from cdse_server import made_safe, serve_cdse
with serve_cdse() as server:
    server.token_life_s = 600.0
    served = server.add(made_safe(size=int(sys.argv[2])))
    print(json.dumps({"config": server.config_values(), "id": served.id, "name": served.name[:-5],
                      "url": server.url(served), "environment": server.environment()}), flush=True)
    threading.Event().wait()
"""


@contextmanager
def service(size_bytes: int) -> Iterator[dict]:
    """Serve a product in a process of its own, so that it does not share our interpreter."""
    command = [sys.executable, "-c", SERVER, str(PROJECT / "tests/support"), str(size_bytes)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def plain_get(url: str, target: Path, token: str) -> float:
    """Return the seconds of a download without any check."""
    start = time.perf_counter()
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {token}"}
        answer = session.get(url, stream=True, timeout=60, allow_redirects=False)
        while answer.is_redirect:
            url = answer.headers["Location"]
            answer = session.get(
                url, headers=headers, stream=True, timeout=60, allow_redirects=False
            )
        answer.raise_for_status()
        with target.open("wb") as file:
            for chunk in answer.iter_content(1 << 20):
                file.write(chunk)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=300)
    options = parser.parse_args()
    size = options.mb * 1_000_000
    with tempfile.TemporaryDirectory() as name, service(size) as told:
        folder = Path(name)
        os.environ |= told["environment"] | {
            "SSL4SAR_CACHE": str(folder / "cache"),
            "SSL4SAR_LOCKS": str(folder / "locks"),
        }
        for private in ("cache", "locks"):
            (folder / private).mkdir(mode=0o700)
        from ssl4sar.acquire.fetch import fetch_product
        from ssl4sar.acquire.product import Product
        from ssl4sar.acquire.providers.cdse import Cdse
        from ssl4sar.acquire.query import Selection
        from ssl4sar.config.services import CdseConfig

        provider = Cdse(CdseConfig(**told["config"]))
        day = datetime(2020, 1, 1, tzinfo=UTC)
        product = Product(
            provider="cdse",
            id=told["id"],
            name=told["name"],
            mission="sentinel-1",
            platform="S1A",
            product_type="IW_GRDH_1S",
            start=day,
            stop=day,
        )
        start = time.perf_counter()
        record = fetch_product(product, provider, folder / product.name, Selection())
        fetched_s = time.perf_counter() - start
        start = time.perf_counter()
        fetch_product(product, provider, folder / product.name, Selection())
        verified_s = time.perf_counter() - start
        tiff = next(path for path in record.files if path.endswith(".tiff"))
        inner = tiff.split(".SAFE/", 1)[1]
        nodes = "".join(f"/Nodes({part})" for part in (f"{told['name']}.SAFE", *inner.split("/")))
        url = f"{told['config']['download_url']}/Products({told['id']}){nodes}/$value"
        plain_s = plain_get(url, folder / "plain.tiff", provider.tokens.token())
        # The image has a header of four bytes more.
        assert (folder / "plain.tiff").stat().st_size >= size
    print(f"{options.mb} MB in one file over loopback, {os.cpu_count()} cores")
    print(f"plain download, nothing checked: {options.mb / plain_s:6.0f} MB/s")
    speed, share = options.mb / fetched_s, plain_s / fetched_s
    print(f"our fetch, verified:             {speed:6.0f} MB/s", end="")
    print(f"  {share:.2f} of the plain one, {speed / 80:.1f} times 80 MB/s")
    print(f"hashing what is there:           {options.mb / verified_s:6.0f} MB/s")


if __name__ == "__main__":
    main()
