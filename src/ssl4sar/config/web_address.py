"""Addresses in a configuration: they are kept in records and reports, so they hold no secret."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from ssl4sar.core.address import AddressError, parse_address


def _usable(address: str) -> str:
    try:
        # {lat} and {lon} of a tile's address are filled in later.
        parse_address(address.replace("{", "").replace("}", ""))
    except AddressError as error:
        # The address itself is not repeated: pydantic shows the input of an error.
        raise ValueError(f"cannot be used as an address: {error}") from None
    return address


#: An http or https address that all libraries read alike, without user name and password.
WebAddress = Annotated[str, AfterValidator(_usable)]
