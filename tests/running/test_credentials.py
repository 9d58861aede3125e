from urllib.parse import quote

import pytest

from wsgcn.running.credentials import shown_reason, shown_uri

PASSWORDS = [
    "hunter2",
    "hun/ter2",
    "hun@ter2",
    "hun:ter2",
    "h/u@n:t/e@r2",
    "hun?ter2",
    "hun#ter2",
    "hun ter2",
    "hun\\ter'2",
]


@pytest.mark.parametrize("password", PASSWORDS + [quote(password, safe="") for password in PASSWORDS])
@pytest.mark.parametrize("scheme", ["http", "https", "postgresql", "mysql+pymysql"])
def test_a_uri_is_shown_without_user_password_and_query(scheme: str, password: str) -> None:
    assert shown_uri(f"{scheme}://someone:{password}@host:5000/path?password=hunter2") == f"{scheme}://host:5000/path"
    assert shown_uri(f"{scheme}://{password}@host") == f"{scheme}://host"


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "sqlite:////data/me@work/mlflow.db", "databricks", "file:///a@b", "mlruns"]
)
def test_a_uri_without_a_user_is_shown_as_it_is(uri: str) -> None:
    assert shown_uri(uri) == uri


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("is_encoded", [True, False])
def test_nothing_of_the_password_is_in_a_librarys_words(password: str, is_encoded: bool) -> None:
    given = quote(password, safe="") if is_encoded else password
    uri = f"http://someone:{given}@host:5000"
    said = [
        uri,
        f"Failed to parse: {uri}/api",
        f"no such host: {given}",
        f"port {password}",
        repr(password),
        quote(password),
    ]
    pieces = [piece for piece in "".join(c if c.isalnum() else " " for c in password).split() if len(piece) > 1]
    for text in [*said, *(f"cannot resolve '{piece}'" for piece in (pieces if not is_encoded else []))]:
        if text.startswith("cannot resolve") and quote(password, safe="") == password:
            continue  # one that every library reads rightly is never in pieces
        reason = shown_reason(ValueError(text), uri)
        assert reason.startswith("ValueError")
        assert not [piece for piece in pieces if piece in reason], reason


def test_what_is_no_secret_is_still_said() -> None:
    error = ConnectionRefusedError("[Errno 111] Connection refused by host:5000")
    for uri in ("http://host:5000", "http://someone:hunter2@host:5000"):
        assert shown_reason(error, uri) == "ConnectionRefusedError: [Errno 111] Connection refused by host:5000"


def test_a_user_and_a_token_without_a_password_are_secret_too() -> None:
    assert "t0ken" not in shown_reason(ValueError("bad t0ken here"), "https://t0ken@host")
    assert "someone" not in shown_reason(ValueError('no role "someone"'), "postgresql://someone:x1@host/db")
    assert "hunter2" not in shown_reason(ValueError("for hunter2"), "postgresql://host/db?password=hunter2")


def test_a_reason_is_one_short_line() -> None:
    reason = shown_reason(ValueError("a\nb" * 1000), "http://host")
    assert "\n" not in reason
    assert len(reason) <= 200
