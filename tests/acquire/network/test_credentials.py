from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssl4sar.acquire.network.credentials import Account, Credentials, find_credentials, redact
from ssl4sar.core.errors import UserError

ACCOUNT = Account(
    "The service", "X_USER", "X_PASSWORD", "login.example.org", "https://example.org/new", "X_TOTP"
)


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("X_USER", "X_PASSWORD", "X_TOTP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path / "netrc"


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def test_the_environment_goes_before_netrc(netrc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(netrc, "machine login.example.org login file password fp")
    assert find_credentials(ACCOUNT) == Credentials("file", "fp", str(netrc))
    monkeypatch.setenv("X_USER", "env")
    monkeypatch.setenv("X_PASSWORD", "ep")
    monkeypatch.setenv("X_TOTP", "123456")
    found = find_credentials(ACCOUNT)
    assert (found.user, found.password, found.one_time_code) == ("env", "ep", "123456")


def test_without_credentials_the_message_says_all(netrc: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_credentials(ACCOUNT)
    told = str(caught.value)
    for needed in ("X_USER", "X_PASSWORD", "machine login.example.org login", "0600", str(netrc)):
        assert needed in told
    assert "https://example.org/new" in told
    assert "\n" not in told


@pytest.mark.parametrize(("given", "missing"), [("X_USER", "X_PASSWORD"), ("X_PASSWORD", "X_USER")])
def test_half_of_the_variables_is_reported(
    netrc: Path, monkeypatch: pytest.MonkeyPatch, given: str, missing: str
) -> None:
    monkeypatch.setenv(given, "value")
    with pytest.raises(UserError, match=f"^{missing}: ") as caught:
        find_credentials(ACCOUNT)
    assert "value" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "machine other.org login a password b", "default login guest password x", "# nothing"],
)
def test_other_machines_and_guests_are_not_taken(netrc: Path, text: str) -> None:
    write(netrc, text)
    with pytest.raises(UserError, match="no credentials"):
        find_credentials(ACCOUNT)


@pytest.mark.parametrize(
    "text",
    ["machine login.example.org login a password b hunter2", "hunter2", "machine x hunter2 y"],
)
def test_a_damaged_netrc_is_reported_without_its_content(netrc: Path, text: str) -> None:
    write(netrc, f"# first line\n{text}\n")
    with pytest.raises(UserError, match=r"damaged near line \d") as caught:
        find_credentials(ACCOUNT)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_netrc_that_others_can_read_is_warned_of_once(
    netrc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(netrc, "machine login.example.org login a password hunter2", 0o640)
    for _ in range(3):
        find_credentials(ACCOUNT)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert f"chmod 600 {netrc}" in lines[0]
    assert "hunter2" not in lines[0]


def test_the_password_does_not_show() -> None:
    found = Credentials("me", "hunter2", "somewhere", "123456")
    for text in (repr(found), str(found), f"{found}", repr([found])):
        assert "hunter2" not in text
        assert "123456" not in text
    assert found.redact("x hunter2 123456 y") == "x *** *** y"


@settings(max_examples=30)
@given(st.text(min_size=1, max_size=20))
@example("%")
@example("+ ")
def test_no_secret_survives_in_any_form(secret: str) -> None:
    for form in (secret, quote(secret), quote_plus(secret), quote(secret, safe="")):
        assert redact(form, ["other secret", secret, ""]) in {"***", "***" * len(form)}
