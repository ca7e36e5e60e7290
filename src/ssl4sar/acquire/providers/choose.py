"""Opening the provider that the configuration names; its library is imported only then."""

from __future__ import annotations

from typing import Final

from ssl4sar.acquire.providers.base import Provider
from ssl4sar.config.sentinel import ProviderName
from ssl4sar.config.services import Services
from ssl4sar.core.errors import UserError

#: Library and extra of the providers that need one.
LIBRARIES: Final[dict[ProviderName, tuple[str, str]]] = {
    "dhus": ("sentinelsat", "dhus"),
    "asf": ("asf_search", "asf"),
    "stac": ("pystac_client", "stac"),
}


def install_command(extra: str) -> str:
    """Return the command that installs an extra of this project."""
    return f'pip install -e ".[{extra}]"'


def open_provider(name: ProviderName, services: Services) -> Provider:
    """Return a provider, ready to search and fetch.

    Args:
        name: as in ``sentinel.provider``.
        services: addresses and limits: each provider takes its own block.

    Raises:
        UserError: the library of the provider is not installed, or its block lacks something, e.g.
            the address of a hub.
        ValueError: there is no such provider.
    """
    if name in LIBRARIES:
        _require(name)
    match name:
        case "synthetic":
            from ssl4sar.acquire.providers.synthetic import Synthetic

            return Synthetic(services.pair_scene)
        case "local":
            from ssl4sar.acquire.providers.local import Local

            return Local(services.root)
        case "cdse":
            from ssl4sar.acquire.providers.cdse import Cdse

            return Cdse(services.cdse)
        case "dhus":
            from ssl4sar.acquire.providers.dhus import Dhus

            return Dhus(services.dhus)
        case "asf":
            from ssl4sar.acquire.providers.asf import Asf

            return Asf(services.asf)
        case "stac":
            from ssl4sar.acquire.providers.stac import Stac

            return Stac(services.stac)
    raise ValueError(f"no provider {name!r}")


def _require(name: ProviderName) -> None:
    library, extra = LIBRARIES[name]
    try:
        # Plain imports, so that the digest of the sources can follow them.
        match name:
            case "dhus":
                import sentinelsat  # noqa: F401
            case "asf":
                import asf_search  # noqa: F401
            case "stac":
                import pystac_client  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"sentinel.provider: {name}",
            f"it needs the Python package {library}, which cannot be imported ({error})",
            install_command(extra),
        ) from error
