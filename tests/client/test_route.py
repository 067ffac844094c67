"""The places that a connection tries when the first one fails."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from jupyter_rtmsg.client.endpoint import Endpoint
from jupyter_rtmsg.client.http import HttpFailed, HttpRefused, Response
from jupyter_rtmsg.client.owner import Stranger
from jupyter_rtmsg.client.route import Found, Given, Route
from jupyter_rtmsg.errors import AccessDenied, ServerNotFound, ServerUnreachable


class Search:
    """A search with fixed answers."""

    def __init__(self, places: Sequence[Found], token: str | None = None, instead: Found | None = None) -> None:
        self.places = places
        self.token = token
        self.instead = instead

    def renewed(self, found: Found) -> Found | None:
        return found._replace(token=self.token) if self.token not in (None, found.token) else None

    def instead_of(self, found: Found) -> Found | None:
        return self.instead if found != self.instead else None

    def hint(self, found: Found) -> str:
        return ""


PLACES = [Found(f"http://h{path}", "t", "as given") for path in ("/lab/lab/", "/lab/", "/")]
INSTEAD = Found("http://127.0.0.1:9/", "t9", "the only running server", own=True)


def because(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


DENIED = because(AccessDenied("403"), HttpRefused(403, "no"))
LOGIN = because(AccessDenied("to login"), HttpRefused(302, "", "/login"))
NO_HUB = because(ServerNotFound("404"), HttpRefused(404, "no"))


@pytest.mark.parametrize("error", [DENIED, LOGIN, NO_HUB, HttpRefused(200, "<html>"), HttpFailed("no Engine.IO")])
def test_a_response_of_another_server_leads_to_the_next_place(error: Exception) -> None:
    route = Route(Search(PLACES))
    for place in PLACES[1:]:
        assert route.advance(error)
        assert route.found == place
    assert not route.advance(error)


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError(111, "no"), HttpRefused(503, "starting"), OSError("no route")]
)
def test_a_server_that_does_not_answer_is_asked_again_at_the_same_place(error: Exception) -> None:
    route = Route(Search(PLACES))
    assert not route.advance(error)
    assert route.found == PLACES[0]
    assert route.reason(error) is error


def test_the_route_stays_where_a_session_has_opened() -> None:
    route = Route(Search(PLACES, instead=INSTEAD))
    route.advance(NO_HUB)
    route.settle()
    for error in (NO_HUB, DENIED, ConnectionRefusedError(111, "no")):
        assert not route.advance(error)
        assert route.reason(error) is error
    assert route.found == PLACES[1]


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([NO_HUB, NO_HUB, DENIED], DENIED),
        ([DENIED, NO_HUB, NO_HUB], DENIED),
        ([LOGIN, DENIED, LOGIN], DENIED),
        ([LOGIN, NO_HUB, NO_HUB], LOGIN),
    ],
)
def test_a_refused_token_says_more_than_a_path_that_is_not_known(errors: list[Exception], said: Exception) -> None:
    route = Route(Search(PLACES))
    assert [route.advance(error) for error in errors] == [True, True, False]
    assert route.reason(errors[-1]) is said
    assert route.found == PLACES[0]  # the next attempt begins anew


def test_a_refused_token_is_looked_up_again_at_any_time() -> None:
    search = Search(PLACES[2:], token="new")
    route = Route(search)
    route.settle()
    assert not route.advance(NO_HUB)
    assert route.advance(DENIED)
    assert route.found == PLACES[2]._replace(token="new")
    assert not route.advance(DENIED)  # it was that one


def test_a_token_is_looked_up_once_in_an_attempt() -> None:
    search = Search(PLACES[2:], token="a")
    route = Route(search)
    assert route.advance(DENIED)
    search.token = "b"
    assert not route.advance(DENIED)
    assert route.reason(DENIED) is DENIED
    assert route.advance(DENIED)
    assert route.found.token == "b"


def test_a_forbidden_error_does_not_look_up_another_token() -> None:
    forbidden = AccessDenied("ada may neither read nor write here")
    forbidden.forbidden = True
    assert not Route(Search(PLACES[2:], token="another")).advance(forbidden)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "no"),
        FileNotFoundError(2, "no socket"),
        NO_HUB,
        because(ServerUnreachable("another user's"), Stranger("is another user's")),
    ],
)
def test_a_missing_server_is_replaced_once(error: Exception) -> None:
    route = Route(Search(PLACES[2:], instead=INSTEAD))
    assert route.advance(error)
    assert route.found == INSTEAD
    assert route.notice
    assert "http://h/, where no hub answers" in route.notice
    assert "t9" not in route.notice
    assert not route.advance(error)


def test_a_given_place_is_neither_renewed_nor_replaced() -> None:
    route = Route(Given("http://h/lab", "t"))
    assert (route.found.url, route.found.token) == ("http://h/lab/", "t")
    assert route.advance(DENIED)
    assert route.found.url == "http://h/"
    assert not route.advance(DENIED)


def test_the_cookies_of_one_server_do_not_go_to_another() -> None:
    here = Found("http://127.0.0.1:8/", "t8", "RTMSG_URL")
    endpoint = Endpoint(Route(Search([here], token="renewed", instead=INSTEAD)))
    endpoint.keep_cookies(Response(403, "Forbidden", (("set-cookie", "session=of-the-first"),)))
    assert endpoint.advance(DENIED)
    assert endpoint.headers()["Cookie"] == "session=of-the-first"  # another token, the same server
    assert endpoint.advance(ConnectionRefusedError(111, "no"))
    assert endpoint.address.url == INSTEAD.url
    assert "Cookie" not in endpoint.headers()
