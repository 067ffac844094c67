from __future__ import annotations

import pytest

from jupyter_rtmsg.client.address import Address


@pytest.mark.parametrize(
    ("url", "normal", "host", "port", "authority"),
    [
        ("http://127.0.0.1:8888", "http://127.0.0.1:8888/", "127.0.0.1", 8888, "127.0.0.1:8888"),
        ("https://example.org/user/x", "https://example.org/user/x/", "example.org", 443, "example.org"),
        ("http://[::1]:9/", "http://[::1]:9/", "::1", 9, "[::1]:9"),
        ("http://me:secret@host:1/a/", "http://host:1/a/", "host", 1, "host:1"),
        ("http://h//user/x?reset", "http://h/user/x/", "h", 80, "h"),
        ("http+unix://%2Frun%2Fj.sock/b", "http+unix://%2Frun%2Fj.sock/b/", "/run/j.sock", 0, "localhost"),
    ],
)
def test_a_url_is_parsed(url: str, normal: str, host: str, port: int, authority: str) -> None:
    address = Address.parse(url)
    assert (address.url, address.host, address.port, address.authority) == (normal, host, port, authority)
    assert address.secure == url.startswith("https")
    assert address.path.startswith("/")
    assert address.path.endswith("/")


@pytest.mark.parametrize("url", ["", "127.0.0.1:8888", "ftp://x/", "http://", "ws://h/"])
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="no URL of a Jupyter server"):
        Address.parse(url)


@pytest.mark.parametrize(
    ("url", "bases"),
    [
        ("http://h/user/ada/", ["/user/ada/"]),
        ("http://h/user/lab/", ["/user/lab/", "/user/"]),
        ("http://h/user/tree/lab", ["/user/tree/lab/", "/user/tree/", "/user/"]),
        ("http://h/user/x/lab/tree/a.ipynb?reset#b", ["/user/x/lab/tree/a.ipynb/", "/user/x/lab/", "/user/x/"]),
        ("http://h/notebooks/notebooks/a.ipynb", ["/notebooks/notebooks/a.ipynb/", "/notebooks/", "/"]),
        ("http+unix://%2Frun%2Flab/lab", ["/lab/", "/"]),
        ("http://h/login?next=%2Flab", ["/login/", "/"]),
    ],
)
def test_only_the_server_can_tell_its_base_url_from_a_page(url: str, bases: list[str]) -> None:
    address = Address.parse(url)
    assert [base.path for base in address.bases()] == bases
    assert all(base.url == address.url.removesuffix(address.path) + base.path for base in address.bases())


def test_few_base_urls_are_tried_and_the_shortest_is_among_them() -> None:
    bases = Address.parse("http://h/lab" + "/tree" * 100).bases()
    assert len(bases) == 6
    assert bases[-1].path == "/"


def test_a_token_is_never_shown() -> None:
    assert "abc" not in Address.parse("http://h/?token=abc").url
    assert "abc" not in repr(Address.parse("http://h/?token=abc"))
    with pytest.raises(ValueError, match="no URL") as caught:
        Address.parse("h:1/?token=abc")
    assert "abc" not in str(caught.value)
