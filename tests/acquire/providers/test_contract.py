"""What every provider promises, asked of all six, each against a real server or folder."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from asf_server import TOKEN, PlainAdapter, asf_server
from cdse_server import Served, made_safe, record_of, serve_cdse
from dhus_server import PASSWORD, USER, HubProduct, dhus_server
from odata_catalogue import ODataAnswers
from shapely.geometry import MultiPolygon, box
from stac_server import FOOTPRINT, optical_item, stac_server
from synthetic_safe import NAMES, write_folder, write_zip
from taken import query, taken

from ssl4sar.acquire.catalogue.product_name import parse_name
from ssl4sar.acquire.network.exchange import Limits
from ssl4sar.acquire.product import SYNTHETIC_TYPE, Product
from ssl4sar.acquire.providers.asf import Asf
from ssl4sar.acquire.providers.cdse import Cdse
from ssl4sar.acquire.providers.dhus import Dhus
from ssl4sar.acquire.providers.local import Local
from ssl4sar.acquire.providers.registry import PROVIDERS, open_provider
from ssl4sar.acquire.providers.stac import Stac
from ssl4sar.acquire.providers.synthetic import Synthetic, synthetic_glaciers
from ssl4sar.acquire.query import MissingProductError, Provider, Query, Selection
from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.config.sentinel import ProviderName
from ssl4sar.config.services import AsfConfig, CdseConfig, DhusConfig, Services, StacConfig
from ssl4sar.config.study import StudyConfig
from ssl4sar.core.errors import UserError
from ssl4sar.core.retry import Patience

HH = NAMES["hh"]
PATIENCE = Patience(2, 0.01, 10.0)
QUERY = query()
TINY = PairSceneConfig(glaciers=2, train_images=3, val_images=2, extent_km=3.0, spacing_m=60)


@dataclass
class Source:
    """A provider with a server or folder of its own that holds a product.

    Attributes:
        make: opens the provider, as a new process would.
        fetches: how often a file was asked for so far.
        remove: takes the product away, as if it had never been listed.
        damage: changes its content to another than was listed.
        query: finds the product.
    """

    make: Callable[[], Provider]
    fetches: Callable[[], int]
    remove: Callable[[], object]
    damage: Callable[[], object] | None
    query: Query = QUERY


def damaged_zip(folder: Path) -> bytes:
    return write_zip(folder / "x", HH, {f"{HH}.SAFE/preview/quick-look.png": b"other"}).read_bytes()


@contextmanager
def cdse(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    with serve_cdse() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        served = server.add(made_safe(HH))
        answers = ODataAnswers([record_of(served) | {"GeoFootprint": FOOTPRINT}])
        server.catalogue = answers.answer
        image = next(path for path in served.files if path.endswith(".tiff"))
        damaged = Served(served.name, served.files | {image: b"x" + served.files[image][1:]})
        yield Source(
            lambda: Cdse(CdseConfig(**server.config_values()), patience=PATIENCE),
            lambda: len([each for each in server.asked if "$value" in each.path]),
            lambda: (server.products.clear(), answers.records.clear()),
            lambda: server.add(damaged),
        )


@contextmanager
def dhus(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    monkeypatch.setenv("DHUS_USERNAME", USER)
    monkeypatch.setenv("DHUS_PASSWORD", PASSWORD)
    content = write_zip(folder / "hub", HH).read_bytes()
    with dhus_server([HubProduct("uuid", HH, content, parse_name(HH).start)]) as hub:
        yield Source(
            lambda: Dhus(DhusConfig(hub_url=hub.url), attempts=2, retry_s=0.01, timeout_s=10.0),
            lambda: len(hub.served),
            hub.products.clear,
            lambda: setattr(hub.products[0], "content", damaged_zip(folder)),
        )


@contextmanager
def asf(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)
    with asf_server() as server:
        server.products[HH] = write_zip(folder / "facility", HH).read_bytes()
        config = AsfConfig(host=server.host, login_url=server.url, download_hosts=(server.host,))
        yield Source(
            lambda: Asf(config, patience=PATIENCE, adapter=PlainAdapter(Limits(10.0))),
            lambda: len(server.downloads),
            server.products.clear,
            lambda: server.products.update({HH: damaged_zip(folder)}),
        )


@contextmanager
def stac(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    with stac_server() as api:
        api.items = [optical_item(api, 1, clouds=2.0)]
        yield Source(
            lambda: Stac(StacConfig(url=f"{api.url}/v1"), patience=PATIENCE),
            lambda: len(api.served),
            lambda: (api.items.clear(), api.files.clear()),
            lambda: api.files.update(dict.fromkeys(api.files, b"another")),
            replace(QUERY, mission="sentinel-2", product_type="S2MSI2A"),
        )


@contextmanager
def local(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    safe = write_folder(folder / "mirror" / "2020", HH)
    image = next(safe.rglob("*-hh-*.tiff"))
    yield Source(
        lambda: Local(folder / "mirror"),
        lambda: 0,
        lambda: shutil.rmtree(safe),
        lambda: image.write_bytes(b"x" * image.stat().st_size),
    )


@contextmanager
def synthetic(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    config = [TINY]
    asked = query(glacier=synthetic_glaciers(TINY)["Synthetic01"])
    other = TINY.model_copy(update={"seed": 1})
    yield Source(
        lambda: Synthetic(config[0]), lambda: 0, lambda: config.insert(0, other), None, asked
    )


SOURCES: dict[ProviderName, Any] = {
    "cdse": cdse,
    "dhus": dhus,
    "asf": asf,
    "stac": stac,
    "local": local,
    "synthetic": synthetic,
}


@pytest.fixture(params=get_args(ProviderName))
def source(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    own_folders: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Source]:
    library = PROVIDERS[request.param].library
    if library is not None:
        pytest.importorskip(library)
    with SOURCES[request.param](tmp_path, monkeypatch) as made:
        yield made


def the(source: Source) -> Product:
    return taken(source.make(), source.query)[0]


def services(tmp_path: Path, **blocks: Any) -> Services:
    blocks = {"sentinel": {"provider": "local", "root": str(tmp_path)}} | blocks
    blocks |= {"optical": {"count": 0}, "dhus": {"hub_url": "https://hub.example.org"}}
    config = StudyConfig.model_validate({"name": "test", **blocks})
    return Services.of_job(config.model_dump(mode="json"))


@pytest.mark.parametrize("name", get_args(ProviderName))
def test_every_provider_of_the_configuration_is_opened_by_its_name(
    name: ProviderName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = open_provider(name, services(tmp_path))
    assert provider.name == name
    assert provider.missions - {"sentinel-2"} == {"sentinel-1"}
    library = PROVIDERS[name].library
    if library is not None:
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(UserError, match=f"{library}, which cannot be imported") as caught:
            open_provider(name, services(tmp_path))
        assert str(caught.value).startswith(f"sentinel.provider: {name}: it needs")
        assert caught.value.fix == f'pip install -e ".[{name}]"'
        assert "\n" not in str(caught.value)


def test_what_is_listed_is_the_same_each_time_and_can_be_written(source: Source) -> None:
    products = list(source.make().search(source.query))
    assert products
    assert list(source.make().search(source.query)) == products
    for product in products:
        assert isinstance(product, Product)
        assert product.provider == source.make().name
        assert product.mission in source.make().missions
        assert Product.from_row(json.loads(json.dumps(product.as_row()))) == product


def test_each_part_of_a_query_counts(source: Source) -> None:
    provider, asked, product = source.make(), source.query, the(source)

    def is_found(**changes: Any) -> bool:
        return product in taken(provider, replace(asked, **changes))

    instant = timedelta(microseconds=1)
    assert is_found(start=product.start, stop=product.start + instant)
    assert not is_found(start=product.start + instant)
    assert not is_found(stop=product.start)
    track = product.relative_orbit or 0
    assert is_found(relative_orbits=(track, track + 1))
    assert not is_found(relative_orbits=(track + 1,))
    if product.product_type == SYNTHETIC_TYPE:
        assert is_found(polarisations=("HV",), orbit_direction="ascending")
        assert not is_found(glacier=replace(asked.glacier, name="Elsewhere"))
        return
    elsewhere = MultiPolygon([box(40, 0, 41, 1)])
    assert not is_found(glacier=replace(asked.glacier, area=elsewhere))
    assert not is_found(product_type="EW_GRDM_1S" if asked.mission[-1] == "1" else "S2MSI1C")
    if asked.mission == "sentinel-1":
        assert is_found(polarisations=("HV",))
        assert not is_found(polarisations=("VV", "VH"))
        assert product.orbit_direction is not None
        for direction in ("ascending", "descending"):
            assert is_found(orbit_direction=direction) is (direction == product.orbit_direction)
    else:
        assert is_found(max_cloud_percent=product.cloud_percent)
        assert not is_found(max_cloud_percent=1.0)


def test_a_product_is_fetched_once_into_its_folder(source: Source, tmp_path: Path) -> None:
    product, folder = the(source), tmp_path / "work"
    folder.mkdir()
    path = source.make().fetch(product, folder, Selection())
    assert path in {folder, folder / f"{product.name}.SAFE", folder / f"{product.name}.zip"}
    before = source.fetches()
    content = {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    assert content
    assert source.make().fetch(product, folder, Selection()) == path
    assert source.fetches() == before
    assert {each: each.read_bytes() for each in content} == content


def test_a_product_that_has_gone_is_missing_in_one_line(source: Source, tmp_path: Path) -> None:
    product = the(source)
    source.remove()
    with pytest.raises(MissingProductError, match="refresh the inventory") as caught:
        source.make().fetch(product, tmp_path / "work", Selection())
    assert "\n" not in str(caught.value)


def test_a_product_that_is_damaged_at_its_source_is_missing(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source.damage is None:
        pytest.skip("what is rendered cannot be damaged at its source")
    product = the(source)
    source.damage()
    with pytest.raises(MissingProductError, match=r"damaged|md5|MD5") as caught:
        source.make().fetch(product, tmp_path / "work", Selection())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["cdse", "dhus", "asf", "stac"])
def test_a_service_that_cannot_be_reached_is_one_line(
    name: str, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("DHUS_USERNAME", "DHUS_PASSWORD"):
        monkeypatch.setenv(variable, "x")
    monkeypatch.setattr("ssl4sar.core.retry.time.sleep", lambda _: None)
    nowhere, adapter = "http://127.0.0.1:9", PlainAdapter(Limits(10.0))
    provider = {
        "cdse": lambda: Cdse(CdseConfig(catalogue_url=nowhere)),
        "dhus": lambda: Dhus(DhusConfig(hub_url=nowhere)),
        "asf": lambda: Asf(AsfConfig(host="127.0.0.1:9"), patience=PATIENCE, adapter=adapter),
        "stac": lambda: Stac(StacConfig(url=nowhere), patience=PATIENCE),
    }[name]()
    with pytest.raises(UserError, match="the host cannot be reached") as caught:
        list(provider.search(QUERY))
    assert "\n" not in str(caught.value)
