"""Whether a server has one user only, and the name of that user."""

from __future__ import annotations

import getpass
import os

from jupyter_server.auth import IdentityProvider, PasswordIdentityProvider
from jupyter_server.auth.login import LoginFormHandler
from jupyter_server.serverapp import ServerApp

from ..names import displayable
from .authenticator import is_plain

NAMELESS = "owner"
COLLABORATION = frozenset(
    {
        "jupyter_collaboration",  # 1.x
        "jupyter_server_documents",
        "jupyter_server_ydoc",  # jupyter-collaboration 2 and later
    }
)
"""Server extensions with which several people share a server, with the same token or password."""

_LOGINS = ("get_user_cookie", "is_token_authenticated", "process_login_form", "user_from_cookie")


class SingleUser:
    """Finds out whether all connections belong to one user.

    They do if the identity provider knows one secret and no names, unless an extension for collaboration is enabled:
    then several people share the secret.

    Parameters
    ----------
    serverapp : ServerApp
    configured : bool, optional
        The administrator's setting; None to find it out.
    """

    def __init__(self, serverapp: ServerApp, configured: bool | None = None) -> None:
        self._serverapp = serverapp
        self._configured = configured

    def __call__(self) -> str | None:
        """Return the account that all connections belong to, or None if there are several users."""
        single = self._found() if self._configured is None else self._configured
        return account() if single else None

    def _found(self) -> bool:
        return knows_nobody(self._serverapp.identity_provider) and not self._is_shared()

    def _is_shared(self) -> bool:
        extensions = self._serverapp.extension_manager.extensions
        return any(name in extensions and extensions[name].enabled for name in COLLABORATION)


def account() -> str:
    """Return the name of the server's owner: JupyterHub's user, else the operating system's."""
    try:
        name = os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container whose user is in no list of users
        name = ""
    return displayable(name.strip()) or NAMELESS


def knows_nobody(provider: IdentityProvider) -> bool:
    """Return whether a provider knows one secret, and no users by name."""
    kinds = (IdentityProvider, PasswordIdentityProvider)
    own_login = any(
        all(getattr(type(provider), method) is not getattr(kind, method) for kind in kinds) for method in _LOGINS
    )
    return is_plain(provider) and not own_login and provider.login_handler_class is LoginFormHandler
