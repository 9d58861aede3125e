"""What may be said of a tracking URI: where the store is, never who is let in."""

import re
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus

from wsgcn.base.foreign import brief

_WITHOUT_USER = ("sqlite:", "file:")  # an @ in their paths is nobody's
_USER = re.compile(r"^([^/@]*//|)(.*)@", re.DOTALL)  # up to the last @: a password may have one, and slashes
_WELL_FORMED = re.compile(r"[\w.~!$&'()*+,;=%-]*(:[\w.~!$&'()*+,;=%-]*)?", re.ASCII)  # RFC 3986, userinfo


def shown_uri(uri: str) -> str:
    """A tracking URI without user, password and query."""
    if not uri.startswith(_WITHOUT_USER):
        uri = _USER.sub(r"\1", uri)
    return uri.partition("?")[0]


def shown_reason(error: BaseException, uri: str) -> str:
    """What an exception says, in one short line, without what `shown_uri` leaves out, encoded or not.

    A user or password with characters that have to be percent-encoded is taken apart in the wrong place by whoever
    reads the URI, and pieces of it stand anywhere in what they say: then only the exception's name is said.
    """
    userinfo = "" if uri.startswith(_WITHOUT_USER) or not (match := _USER.match(uri)) else match[2]
    if not _WELL_FORMED.fullmatch(userinfo):
        return f"{type(error).__name__}; the user and password in the tracking URI have to be percent-encoded"
    user, _, password = userinfo.partition(":")
    secrets = {userinfo, password or user, *(value for _, value in parse_qsl(uri.partition("?")[2]))}
    secrets |= {decode(secret) for decode in (unquote, unquote_plus) for secret in secrets}
    secrets |= {
        encode(secret) for encode in (quote, quote_plus, lambda text: quote(text, safe="")) for secret in secrets
    }
    secrets |= {repr(secret)[1:-1] for secret in secrets}
    text = str(error)
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        text = text.replace(secret, "***")
    for name in {user, unquote(user)} - {""}:
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "***", text)
    return brief(f"{type(error).__name__}: {text}")
