"""Tokens of NASA's Earthdata Login, for an account in the environment or the netrc file."""

from __future__ import annotations

import threading
from typing import Final

import requests
from pydantic import BaseModel, ValidationError

from ssl4sar.acquire.network.access import require_safe_address, require_web_address
from ssl4sar.acquire.network.credentials import Account, Credentials, find_credentials
from ssl4sar.acquire.network.exchange import asking_problem, guarded_session, short_answer
from ssl4sar.acquire.network.token import Token
from ssl4sar.acquire.network.token_store import RefusedCredentialsError, tried_once
from ssl4sar.core.address import Address
from ssl4sar.core.errors import UserError
from ssl4sar.core.foreign import ForeignTextError, parse_json

#: Environment variable of a token that the user made at the service's site.
TOKEN_VARIABLE: Final = "EARTHDATA_TOKEN"
REGISTER_URL: Final = "https://urs.earthdata.nasa.gov/users/new"


def account(login_url: str) -> Account:
    """Return where the credentials of Earthdata Login are looked for."""
    return Account(
        service="Earthdata Login",
        user_variable="EARTHDATA_USERNAME",
        password_variable="EARTHDATA_PASSWORD",
        machine=require_web_address(login_url).host,
        register_url=REGISTER_URL,
        token_variable=TOKEN_VARIABLE,
    )


class _Answer(BaseModel):
    access_token: Token


class EarthdataLogin:
    """Gives the token of an account: the service hands out the one that there is, or makes one.

    Args:
        login_url: address of the service.
        timeout_s: longest silence of the service.

    Raises:
        UserError: the address is one to which a password would go unprotected.
    """

    def __init__(self, login_url: str, *, timeout_s: float = 60.0) -> None:
        self._origin = require_safe_address(login_url).origin
        self._url = login_url.rstrip("/")
        self._timeout_s = timeout_s
        self._token: str | None = None
        self._lock = threading.Lock()

    def token(self) -> str:
        """Return the token.

        Raises:
            UserError: there are no credentials, they are refused, or the service cannot be reached
                or answers nonsense.
        """
        with self._lock:
            if self._token is None:
                login = find_credentials(account(self._url))
                with tried_once(self._url, login):
                    self._token = self._token_for(login)
            return self._token

    def renew(self, refused: str) -> str:
        """Say that a token is refused: the service would hand out the same one again.

        Raises:
            UserError: always.
        """
        del refused
        raise UserError(
            self._url,
            "the token of the account was refused",
            "log in at its site, make a new token, and accept the terms of the Alaska Satellite "
            "Facility",
        )

    def _token_for(self, login: Credentials) -> str:
        def is_own(address: Address) -> bool:
            return address.origin == self._origin

        try:
            # Redirects are not followed: the password belongs to this address alone.
            with guarded_session(short_answer(self._timeout_s), is_own) as session:
                response = session.post(
                    f"{self._url}/api/users/find_or_create_token",
                    auth=(login.user, login.password),
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            raise UserError(self._url, asking_problem(error), "check the line and rerun") from error
        if response.status_code in {401, 403}:
            raise RefusedCredentialsError
        try:
            if response.ok:
                return _Answer.model_validate(parse_json(response.content)).access_token
        except (ForeignTextError, ValidationError):
            pass
        raise UserError(
            self._url,
            f"it answered {response.status_code} without a token",
            f"rerun later, or put a token from its site into {TOKEN_VARIABLE}",
        )
