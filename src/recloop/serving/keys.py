"""Who may ask: keys from the environment, compared in constant time, never written anywhere."""

import hmac
import os
from collections.abc import Mapping

from recloop.errors import InvalidConfig
from recloop.serving.problems import Refused
from recloop.serving.settings import Keys

LEAST_LENGTH = 16


class KeyRing:
    """The keys of an application and of an administrator; None where none is set."""

    def __init__(self, names: Keys, environment: Mapping[str, str] | None = None) -> None:
        found = os.environ if environment is None else environment
        self._names = names
        self._api = _key(names.api, found)
        self._admin = _key(names.admin, found)

    @property
    def is_open(self) -> bool:
        """Whether anybody may ask for recommendations and send feedback."""
        return self._api is None

    def check(self, headers: Mapping[str, str], *, admin: bool = False) -> None:
        """Refused with 401 or 403 unless the headers hold the key that is needed."""
        if admin and self._admin is None:
            raise Refused(
                403, f"no admin key is set; set {self._names.admin} and start the service again"
            )
        wanted = self._admin if admin else self._api
        if wanted is None:
            return
        given = headers.get("x-api-key") or _bearer(headers.get("authorization", ""))
        allowed = [wanted]
        if self._admin is not None and not admin:
            allowed.append(self._admin)  # who may change things may also ask
        got = given.encode("latin-1", "backslashreplace")  # the bytes that were sent
        if not sum(hmac.compare_digest(got, one) for one in allowed):  # all, in the same time
            raise Refused(401, "wrong or missing key: send it as X-API-Key")


def _bearer(header: str) -> str:
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _key(name: str | None, environment: Mapping[str, str]) -> bytes | None:
    value = environment.get(name, "") if name else ""
    if not value:
        return None
    if len(value) < LEAST_LENGTH:
        raise InvalidConfig(
            f"keys: {name} must have at least {LEAST_LENGTH} characters, got {len(value)}."
        )
    return value.encode()
