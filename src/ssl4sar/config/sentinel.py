"""Which Sentinel scenes are acquired, and from where."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from ssl4sar.config.block import Block

ProviderName = Literal["cdse", "dhus", "asf", "stac", "local", "synthetic"]
Polarisation = Literal["copolar", "HH", "HV", "VV", "VH"]


class OpticalConfig(Block):
    """The Sentinel-2 image of a glacier."""

    product_type: Literal["S2MSI2A", "S2MSI1C"] = "S2MSI2A"
    """S2MSI2A: surface reflectance, as in SSL4SAR; S2MSI1C: at the top of the atmosphere."""
    months: tuple[int, ...] = (6, 7, 8, 9)
    """Months to choose from: in summer the sun is high and the snow line, too. Areas south of the
    equator take the months half a year later."""
    max_cloud_percent: float = Field(default=20.0, ge=0, le=100)
    """Clouds in the whole product, at most."""
    min_coverage_percent: float = Field(default=80.0, ge=0, le=100)
    """Share of the area that the product must cover."""
    count: int = Field(default=1, ge=0)
    """Images per glacier; SSL4SAR has one, 0 takes none."""

    @model_validator(mode="after")
    def _months_exist(self) -> Self:
        if not self.months or not set(self.months) <= set(range(1, 13)):
            raise ValueError("months: need numbers from 1 to 12")
        return self


class AcquisitionConfig(Block):
    """What is acquired as a whole (docs/acquisition.md)."""

    glaciers_file: str = "config/glaciers.geojson"
    """Names and areas of the glaciers; the synthetic provider has its own."""
    glaciers: tuple[str, ...] = ()
    """Names from glaciers_file; none means all that are not of CaFFe."""
    max_missing: int = Field(default=0, ge=0)
    """Products that may be missing for good before the target `scenes` fails."""
    leave_out: tuple[str, ...] = ()
    """Names of products of the inventories that are not wanted: damaged, or never found."""
    keep_raw: bool = True
    """Keep raw products. false removes each once the stack and the optical image that read it are
    made; hashes stay. The default loses nothing: what is made again after a change, e.g. of the
    pixel size, would have to fetch its products again."""

    @field_validator("leave_out")
    @classmethod
    def _names_alone(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        # Catalogues and folders name products with their ending.
        return tuple(name.removesuffix(".zip").removesuffix(".SAFE") for name in names)


class SentinelConfig(Block):
    """Which products of a glacier are looked for, and where."""

    provider: ProviderName = "synthetic"
    """cdse: Copernicus Data Space; dhus: a hub of the old kind, by sentinelsat; asf: Alaska
    Satellite Facility; stac: a STAC API; local: the folder `root`; synthetic: rendered by the scene
    model."""
    optical_provider: ProviderName | None = None
    """Where Sentinel-2 comes from if not from `provider`: asf, for one, has none."""
    root: str | None = None
    """Folder of SAFE folders and zips (provider local only)."""
    start: date = date(2015, 1, 1)
    """First day."""
    end: date = date(2021, 12, 31)
    """Last day."""
    product_type: Literal["IW_GRDH_1S", "EW_GRDM_1S", "EW_GRDH_1S", "SM_GRDH_1S"] = "IW_GRDH_1S"
    """Kind of Sentinel-1 product."""
    polarisation: Polarisation = "copolar"
    """Polarisation to fetch; copolar takes HH or VV, whichever a product has."""
    orbit_direction: Literal["any", "ascending", "descending"] = "any"
    """Passes to take."""
    relative_orbits: tuple[int, ...] = ()
    """Tracks to take; none means all."""
    min_coverage_percent: float = Field(default=5.0, ge=0, le=100)
    """Share of a glacier's area that a scene must cover."""
    orbits: Literal["annotation", "precise"] = "annotation"
    """annotation: orbits as they come in the products; precise: fetch POEORB or else RESORB,
    of provider local from the `.EOF` files below `root`, else from CDSE."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"end: {self.end} is before start {self.start}")
        uses_folder = "local" in {self.provider, self.optical_provider}
        if uses_folder and not self.root:
            raise ValueError("root is missing: with provider local give the folder of products")
        if self.root and not uses_folder:
            raise ValueError(f"root has no meaning with provider {self.provider}: use local")
        if (self.provider == "synthetic") != (self.optical_from == "synthetic"):
            raise ValueError("optical_provider: synthetic and real images belong to no one glacier")
        return self

    @property
    def optical_from(self) -> ProviderName:
        """Provider of Sentinel-2."""
        return self.optical_provider or self.provider
