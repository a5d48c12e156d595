"""Who may label: a token for each person, which the browser keeps in a cookie that is sent to the labelling pages alone, and a proof
that what is posted comes from one of these pages.

Names and tokens are kept by `stores.annotators`; what other web pages may ask at all is decided by `web.Guard`.
"""

import hmac
from collections.abc import Callable

from fastapi import Request, Response
from starlette.exceptions import HTTPException

COOKIE = "labelling"
PATH = "/labelling"
PROOF = "X-CSRF-Token"
"""Header of what our script posts; forms have the same as a field `csrf`."""
_KEPT_S = 30 * 24 * 3600
_LONGEST_TOKEN = 200


class NotLoggedIn(HTTPException):
    """The request has no token, or a wrong one."""

    def __init__(self, reason: str = "Log in with your token to label.") -> None:
        super().__init__(401, reason)


class Access:
    """Lets in who has a token. name_of: the name of the person with a token, None for a wrong one.

    Wrong ones are not counted: nobody guesses 256 random bits, and a bound on guesses would let whoever guesses keep the others out.
    """

    def __init__(self, name_of: Callable[[str], str | None]) -> None:
        self._name_of = name_of

    def person(self, request: Request) -> str:
        """Name of the person who asks. Raises NotLoggedIn without a token or with a wrong one."""
        token = request.cookies.get(COOKIE)
        if not token:
            raise NotLoggedIn()
        return self.named(token)

    def named(self, token: str) -> str:
        """Name of the person with that token; raises like `person`."""
        name = self._name_of(token) if len(token) <= _LONGEST_TOKEN else None
        if name is None:
            raise NotLoggedIn("This token is nobody's: ask who runs the explorer for a new one.")
        return name

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
