"""Addresses in a configuration: they are kept in records and reports, so they hold no secret."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def _without_secret(address: str) -> str:
    parts = urlsplit(address)
    if parts.username or parts.password:
        # The address itself is not repeated: pydantic shows the input of an error.
        raise ValueError(
            "holds a user name or a password, which would be kept in records: use ~/.netrc"
        )
    return address


#: An address without user name and password.
WebAddress = Annotated[str, AfterValidator(_without_secret)]
