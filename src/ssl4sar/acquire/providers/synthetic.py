"""SYNTHETIC scenes: what the glacier scene model renders, offered like a catalogue of products.

The embedded default works without network and account: the provider lists the images that the
configuration block ``pair_scene`` plans and renders each when it is fetched, as finished images or
as raw products. No pixel is an observation. Products carry the platforms ``SYNTHETIC-S1`` and
``SYNTHETIC-S2`` and the type ``synthetic``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, time
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final, Self

from shapely.geometry import MultiPolygon, box

from ssl4sar.acquire.areas import KM_PER_DEG, Glacier
from ssl4sar.acquire.product import SYNTHETIC_TYPE, Mission, OrbitDirection, Product
from ssl4sar.acquire.providers.common import BOTH_MISSIONS
from ssl4sar.acquire.providers.synthetic_raw import RawScenes, plan_raw, track_direction
from ssl4sar.acquire.query import MissingProductError, Query, Selection
from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.config.services import Services
from ssl4sar.core.progress import log
from ssl4sar.synthetic.pairs import (
    OpticalPlan,
    PairPlan,
    cloud_percent,
    glacier_names,
    plan_pairs,
    render_image_file,
)

#: First part of the version of a product; the second stands for the settings.
_MODEL_VERSION: Final = 1
#: Passes of a day have no hour in the scene model.
_HOUR: Final = time(12, tzinfo=UTC)
#: The row of synthetic areas: in the open Pacific on the equator there is neither ice nor land.
_WEST_DEG: Final = -150.0
_STEP_DEG: Final = 0.5
_ZONE_DEG: Final = 6.0


def synthetic_glaciers(config: PairSceneConfig) -> dict[str, Glacier]:
    """Return the synthetic glaciers by name, ``Synthetic01`` and so on.

    The images are on a plane that is nowhere on the Earth. An area is needed all the same wherever
    glaciers are listed or drawn, so each gets a square in the open Pacific on the equator, half a
    degree from the next, from 150 degrees west on: no one can take that for a glacier. The side of
    a square is ``extent_km``.

    Args:
        config: how many glaciers there are, and how large.
    """
    half_deg = config.extent_km / KM_PER_DEG / 2
    glaciers = {}
    for index, name in enumerate(glacier_names(config.glaciers)):
        lon = _WEST_DEG + _STEP_DEG * index
        glaciers[name] = Glacier(
            name=name,
            long_name=f"SYNTHETIC glacier {index + 1}",
            region="SYNTHETIC: a made-up place, drawn on the equator",
            area=MultiPolygon([box(lon - half_deg, -half_deg, lon + half_deg, half_deg)]),
            epsg=32601 + int((lon + 180.0) // _ZONE_DEG),
        )
    return glaciers


class Synthetic:
    """The provider of rendered scenes.

    Args:
        config: what the scene model renders.
        raw: render raw products, as satellites deliver them, instead of images.
    """

    name: Final = "synthetic"
    missions: Final[frozenset[Mission]] = BOTH_MISSIONS
    library: ClassVar[str | None] = None

    def __init__(self, config: PairSceneConfig, raw: bool = False) -> None:
        self._config = config
        self._raw = RawScenes(config, synthetic_glaciers(config)) if raw else None

    @classmethod
    def of(cls, services: Services) -> Self:
        """Return the scenes of a configuration."""
        return cls(services.pair_scene, services.raw)

    @cached_property
    def _version(self) -> str:
        # The name of an image says neither its pixel size nor its difficulty: other settings must
        # make another product. Numbers only, as versions of real processors are compared.
        settings = self._config.model_dump_json().encode()
        return f"{_MODEL_VERSION}.{int(hashlib.sha256(settings).hexdigest()[:8], 16)}"

    @cached_property
    def _plans(self) -> dict[str, PairPlan]:
        planned = plan_pairs if self._raw is None else plan_raw
        return {plan.file: plan for plan in planned(self._config)}

    @cached_property
    def _products(self) -> dict[str, list[Product]]:
        # Searches ask month by month, and a raw product is named after its pass.
        products: dict[str, list[Product]] = defaultdict(list)
        for plan in self._plans.values():
            products[plan.glacier].append(self._product(plan))
        return dict(products)

    def search(self, query: Query) -> Iterator[Product]:
        """Yield the images planned for a glacier, of a mission and time, in the order of the plan.

        An invented place is found by its name; its area says nothing here.

        Raises:
            UserError: the plan asks for more images of a glacier than there are days.
        """
        for product in self._products.get(query.glacier.name, ()):
            is_asked = product.mission == query.mission
            if is_asked and query.start <= product.start < query.stop:
                yield product

    def fetch(self, product: Product, folder: Path, selection: Selection) -> Path:
        """Render a product into ``folder``, an image with the bytes of the rule render_pairs."""
        plan = self._plans.get(product.id)
        if plan is None:
            raise MissingProductError(
                product.name,
                "the scene model does not render this image with the present pair_scene",
                "refresh the inventory",
            )
        log(f"rendering {product.name} (SYNTHETIC)")
        if self._raw is not None:
            return self._raw.write(plan, folder)
        render_image_file(self._config, plan, folder / PurePosixPath(plan.file).name)
        return folder

    @cached_property
    def _areas(self) -> dict[str, dict[str, Any]]:
        # An image shows the whole synthetic area of its glacier.
        return {n: glacier.geojson for n, glacier in synthetic_glaciers(self._config).items()}

    def _product(self, plan: PairPlan) -> Product:
        raw = self._raw
        acquired = datetime.combine(plan.day, _HOUR) if raw is None else raw.start(plan)
        optical = isinstance(plan, OpticalPlan)
        return Product(
            provider=self.name,
            id=plan.file,
            name=PurePosixPath(plan.file).stem if raw is None else raw.name(plan),
            mission="sentinel-2" if optical else "sentinel-1",
            platform="SYNTHETIC-S2" if optical else "SYNTHETIC-S1",
            product_type=SYNTHETIC_TYPE,
            start=acquired,
            stop=acquired,
            relative_orbit=None if isinstance(plan, OpticalPlan) else int(plan.orbit),
            orbit_direction=self._direction(plan),
            processor_version=self._version,
            footprint=self._areas[plan.glacier],
            cloud_percent=self._cloud_percent(plan),
        )

    def _direction(self, plan: PairPlan) -> OrbitDirection | None:
        # Finished images are of no satellite: their tracks have a number alone.
        if self._raw is None or isinstance(plan, OpticalPlan):
            return None
        return track_direction(plan.orbit)

    def _cloud_percent(self, plan: PairPlan) -> float | None:
        if not isinstance(plan, OpticalPlan):
            return None
        raw = self._raw
        share = cloud_percent(self._config, plan) if raw is None else raw.cloud_percent(plan)
        return round(share, 3)
