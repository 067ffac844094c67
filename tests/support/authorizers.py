"""Authorizers and identity providers that a Jupyter server is configured with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.auth import Authorizer, IdentityProvider, User


class ReadOnly(Authorizer):
    """Nobody may write messages."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        return resource != "rtmsg" or action == "read"


class Nobody(Authorizer):
    """Nobody may do anything with messages; it takes its time to say so."""

    async def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        return resource != "rtmsg"


class Broken(Authorizer):
    """It raises when asked about messages."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        if resource == "rtmsg":
            raise RuntimeError("the directory of users is down")
        return True


class Revocable(Authorizer):
    """Messages are allowed until a file appears."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        assert handler.current_user is user
        return resource != "rtmsg" or not (Path(jupyter_data_dir()) / "revoked").exists()


class Directory(IdentityProvider):
    """It knows who shows the token."""

    def generate_anonymous_user(self, handler: Any) -> User:
        return User("u1234", "Ada", "Ada Lovelace")


class Ada(User):
    """A user who comes with one of two tokens."""

    scopes: frozenset[str] = frozenset()


class TwoTokens(IdentityProvider):
    """It knows two tokens of one user: with one she may do everything, with the other read only."""

    def get_user(self, handler: Any) -> User | None:
        token = self.get_token(handler)
        scopes = {"all-of-ada": {"read", "write"}, "reader-of-ada": {"read"}}.get(token or "")
        if scopes is None:
            return None
        user = Ada(username="ada")
        user.scopes = frozenset(scopes)
        return user


class ByScope(Authorizer):
    """It asks what the user's token is for. Only `Ada` has scopes: others may do nothing with messages."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        return resource != "rtmsg" or action in getattr(user, "scopes", ())


class TwoUsers(IdentityProvider):
    """It knows users by tokens that name them."""

    def get_user(self, handler: Any) -> User | None:
        who, _, name = (self.get_token(handler) or "").rpartition("-of-")
        return User(username=name) if who == "token" and name in ("ann", "eve") else None
