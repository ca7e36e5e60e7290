"""The providers by name: a new one is a module, and a line here."""

from __future__ import annotations

from typing import ClassVar, Final, Protocol, Self, runtime_checkable

from ssl4sar.acquire.network.credentials import Account
from ssl4sar.acquire.providers.asf import Asf
from ssl4sar.acquire.providers.cdse import Cdse
from ssl4sar.acquire.providers.dhus import Dhus
from ssl4sar.acquire.providers.local import Local
from ssl4sar.acquire.providers.stac import Stac
from ssl4sar.acquire.providers.synthetic import Synthetic
from ssl4sar.acquire.query import Provider
from ssl4sar.config.sentinel import ProviderName
from ssl4sar.config.services import Services
from ssl4sar.core.errors import UserError


class Registered(Provider, Protocol):
    """A provider that opens itself from the configuration.

    Attributes:
        library: Python package that it needs, loaded only when it is used; None needs none. The
            extra of this project that installs it is called like the provider.
    """

    library: ClassVar[str | None]

    @classmethod
    def of(cls, services: Services) -> Self:
        """Return it, ready to search and fetch; each takes its own block.

        Raises:
            ImportError: its library is not installed.
            UserError: its block lacks something, e.g. the address of a hub.
        """


@runtime_checkable
class WithAccount(Protocol):
    """What a provider that logs in has besides; ``ssl4sar doctor`` looks for the credentials."""

    @classmethod
    def account(cls, services: Services) -> Account:
        """Return where its credentials are looked for.

        Raises:
            UserError: its block lacks something, e.g. the address of a hub.
        """


PROVIDERS: Final[dict[ProviderName, type[Registered]]] = {
    "cdse": Cdse,
    "dhus": Dhus,
    "asf": Asf,
    "stac": Stac,
    "local": Local,
    "synthetic": Synthetic,
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
    if name not in PROVIDERS:
        raise ValueError(f"no provider {name!r}")
    kind = PROVIDERS[name]
    try:
        return kind.of(services)
    except ImportError as error:
        raise UserError(
            f"sentinel.provider: {name}",
            f"it needs the Python package {kind.library}, which cannot be imported ({error})",
            install_command(name),
        ) from error
