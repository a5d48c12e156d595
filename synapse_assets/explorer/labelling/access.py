"""Who may label: a token for each person, which the browser keeps in a cookie that is sent to the labelling pages alone, and a proof
that what is posted comes from one of these pages.

Names and tokens are kept by `stores.annotators`; what other web pages may ask at all is decided by `web.Guard`.
"""

import hashlib
import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import Request, Response
from starlette.exceptions import HTTPException

COOKIE = "labelling"
PATH = "/labelling"
PROOF = "X-CSRF-Token"
"""Header of what our script posts; forms have the same as a field `csrf`."""
# Tokens are random, so this is no lock but a bound on the work that guesses make.
_MOST_WRONG, _WRONG_FOR_S = 20, 60.0
_KEPT_S = 30 * 24 * 3600
_LONGEST_TOKEN = 200


class NotLoggedIn(HTTPException):
    """The request has no token, or a wrong one."""

    def __init__(self, reason: str = "Log in with your token to label.") -> None:
        super().__init__(401, reason)


class Access:
    """Lets in who has a token. name_of: the name of the person with a token, None for a wrong one."""

    def __init__(self, name_of: Callable[[str], str | None]) -> None:
        self._name_of = name_of
        self._wrong: OrderedDict[bytes, float] = OrderedDict()
        self._right: set[bytes] = set()
        self._lock = threading.Lock()

    def person(self, request: Request) -> str:
        """Name of the person who asks. Raises NotLoggedIn without a token or with a wrong one, HTTPException (429) after many."""
        token = request.cookies.get(COOKIE)
        if not token:
            raise NotLoggedIn()
        return self.named(token)

    def named(self, token: str) -> str:
        """Name of the person with that token; raises like `person`."""
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        if digest not in self._right and self._too_many(digest):
            raise HTTPException(429, "Too many wrong tokens were tried: wait a minute and log in again.")
        name = self._name_of(token) if len(token) <= _LONGEST_TOKEN else None
        with self._lock:
            if name is not None:
                self._right.add(digest)
                return name
            self._right.discard(digest)
            # One wrong token many times is a page that was left open.
            self._wrong.setdefault(digest, time.monotonic())
        raise NotLoggedIn("This token is nobody's: ask who runs the explorer for a new one.")

    def check_proof(self, request: Request, proof: str | None = None) -> None:
        """Raises HTTPException (403) unless the request, or a form's field, has the proof that belongs to its token."""
        given = request.headers.get(PROOF, "") if proof is None else proof
        if not hmac.compare_digest(given.encode(), self.proof(request).encode()):
            raise HTTPException(403, "This did not come from a labelling page of yours: load the page again.")

    @staticmethod
    def proof(request: Request) -> str:
        """What pages of ours send with what they post: only who has the token can make it."""
        return hmac.new(request.cookies.get(COOKIE, "").encode(), b"posted by a labelling page", "sha256").hexdigest()

    @staticmethod
    def let_in(response: Response, token: str, over_https: bool) -> None:
        """Gives the browser the token to keep."""
        response.set_cookie(
            COOKIE, token, _KEPT_S, path=PATH, secure=over_https, httponly=True, samesite="strict"
        )  # fmt: skip

    @staticmethod
    def let_out(response: Response) -> None:
        """Makes the browser forget the token."""
        response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")

    def _too_many(self, digest: bytes) -> bool:
        with self._lock:
            while self._wrong and next(iter(self._wrong.values())) < time.monotonic() - _WRONG_FOR_S:
                self._wrong.popitem(last=False)
            return digest not in self._wrong and len(self._wrong) >= _MOST_WRONG
