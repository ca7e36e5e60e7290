"""Addresses and limits of the services that serve Sentinel products; what they say changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field

from ssl4sar.config.block import Block
from ssl4sar.config.pair_scene import PairSceneConfig
from ssl4sar.config.web_address import WebAddress

_CDSE = "dataspace.copernicus.eu"


class CdseConfig(Block):
    """Copernicus Data Space Ecosystem: free account, OData catalogue. State of 2025."""

    catalogue_url: WebAddress = f"https://catalogue.{_CDSE}/odata/v1"
    """Catalogue; needs no account."""
    token_url: WebAddress = (
        f"https://identity.{_CDSE}/auth/realms/CDSE/protocol/openid-connect/token"
    )
    """Where tokens come from; its host is the machine name in ~/.netrc."""
    download_url: WebAddress = f"https://download.{_CDSE}/odata/v1"
    """Where products come from."""
    hosts: tuple[str, ...] = (f"catalogue.{_CDSE}", f"download.{_CDSE}", f"zipper.{_CDSE}")
    """Hosts that may get the token; a redirect to any other is refused."""
    client_id: str = "cdse-public"
    """Name of the client towards the token service."""
    connections: int = Field(default=4, ge=1)
    """Downloads at one time per account."""
    page_size: int = Field(default=1000, ge=1, le=1000)
    """Records per page of the catalogue."""
    max_skip: int = Field(default=10_000, ge=1)
    """Records that the catalogue can page through; a longer answer is asked for in parts."""
    whole_products: bool = False
    """Fetch whole products instead of the files that are needed."""
    quota_tb: float = Field(default=12.0, gt=0)
    """TB per `quota_days` of a general user; used for the forecast only."""
    quota_days: int = Field(default=30, ge=1)
    """Days that the quota is counted over."""
    connection_mb_s: float = Field(default=20.0, gt=0)
    """MB/s of one connection; used for the forecast only."""


class DhusConfig(Block):
    """A Data Hub of the old kind (DHuS), asked by sentinelsat."""

    hub_url: WebAddress | None = None
    """Address of the hub. There is no default: the Copernicus Open Access Hub closed in 2023."""
    connections: int = Field(default=2, ge=1)
    """Downloads at one time per account."""
    offline_wait_min: float = Field(default=60.0, ge=0)
    """Minutes to wait for products that the hub brings back from its archive."""
    offline_poll_s: float = Field(default=60.0, gt=0)
    """Seconds between two questions whether they are back."""


class AsfConfig(Block):
    """Alaska Satellite Facility, asked by asf_search; wants an Earthdata login."""

    host: str = "cmr.earthdata.nasa.gov"
    """Host of the catalogue."""
    login_url: WebAddress = "https://urs.earthdata.nasa.gov"
    """Earthdata Login; its host is the machine name in ~/.netrc."""
    download_hosts: tuple[str, ...] = (
        "datapool.asf.alaska.edu",
        "sentinel1.asf.alaska.edu",
    )
    """Hosts that may get the token; a redirect to any other is followed without it."""
    connections: int = Field(default=4, ge=1)
    """Downloads at one time per account."""


class StacConfig(Block):
    """A STAC API, asked by pystac-client; the defaults are those of Earth Search."""

    url: WebAddress = "https://earth-search.aws.element84.com/v1"
    """Address of the API."""
    sar_collection: str = "sentinel-1-grd"
    """Collection with Sentinel-1 GRD."""
    optical_collection: str = "sentinel-2-l2a"
    """Collection with Sentinel-2 L2A."""
    sar_assets: tuple[str, ...] = ()
    """Assets to fetch of a Sentinel-1 item; none means those of the polarisation and its XML."""
    optical_assets: tuple[str, ...] = ()
    """Assets to fetch of a Sentinel-2 item; none means the bands that the pretraining reads."""
    hosts: tuple[str, ...] = ()
    """Hosts that assets may be on; none means any: no credentials are sent."""
    connections: int = Field(default=4, ge=1)
    """Downloads at one time."""


class ElevationConfig(Block):
    """Copernicus DEM GLO-30 and the geoid below it."""

    tile_url: WebAddress = (
        "https://copernicus-dem-30m.s3.amazonaws.com/"
        "Copernicus_DSM_COG_10_{lat}_00_{lon}_00_DEM/Copernicus_DSM_COG_10_{lat}_00_{lon}_00_DEM.tif"
    )
    """Address of a tile; {lat} and {lon} are filled in, e.g. N78 and E012."""
    tile_list_url: WebAddress = "https://copernicus-dem-30m.s3.amazonaws.com/tileList.txt"
    """List of all tiles: what is missing from it is sea."""
    known_tile: str = Field(default="N78_E016", pattern=r"^[NS][0-8]\d_[EW](0\d\d|1[0-7]\d|180)$")
    """A tile on land that the list must have, else it is not a list of tiles."""
    margin_km: float = Field(default=5.0, ge=0, le=100)
    """Land around a glacier's area that its model covers too."""
    geoid_url: WebAddress | None = "https://cdn.proj.org/us_nga_egm08_25.tif"
    """Grid of geoid heights over the ellipsoid, metres; null fetches none."""
    geoid_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Expected SHA-256 of the grid; null accepts any complete file and records its hash."""
    geoid_model: str = "EGM2008"
    """Geoid that the heights of the tiles refer to and that the grid holds."""
    max_void_px: int = Field(default=64, ge=0)
    """Longest way to measured heights over which voids are filled, pixels."""


@dataclass(frozen=True)
class Services:
    """Where products come from and how fast: no reason to fetch one again.

    Attributes:
        cdse: Copernicus Data Space.
        dhus: a hub of the old kind.
        asf: Alaska Satellite Facility.
        stac: a STAC API.
        root: folder of the local provider.
        pair_scene: what the synthetic provider renders.
        raw: whether it renders raw products, as satellites deliver them, instead of images.
        elevation: tiles of the elevation model and the geoid.
    """

    cdse: CdseConfig
    dhus: DhusConfig
    asf: AsfConfig
    stac: StacConfig
    root: str | None
    pair_scene: PairSceneConfig
    raw: bool
    elevation: ElevationConfig

    @classmethod
    def of_job(cls, config: Mapping[str, Any]) -> Self:
        """Return the services of a workflow's configuration.

        Args:
            config: the whole configuration. What of it decides on the content of a product is a
                parameter of the rule besides.
        """
        return cls(
            cdse=CdseConfig.model_validate(config["cdse"]),
            dhus=DhusConfig.model_validate(config["dhus"]),
            asf=AsfConfig.model_validate(config["asf"]),
            stac=StacConfig.model_validate(config["stac"]),
            root=config["sentinel"]["root"],
            pair_scene=PairSceneConfig.model_validate(config["pair_scene"]),
            raw=config["ssl4sar"]["source"] == "sentinel",
            elevation=ElevationConfig.model_validate(config["elevation"]),
        )
