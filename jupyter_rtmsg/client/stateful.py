"""What has a state that people can ask for, listen to, and wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_rtmsg.advice import SOCKET, no_such_name

from .anylisteners import AnyListeners
from .handlers import Handler, Handlers
from .lane import LaneFactory
from .state import State

F = TypeVar("F", bound=Callable[..., Any])


class Stateful(AnyListeners):
    """A socket, as far as its state is concerned."""

    def __init__(self, lanes: LaneFactory, name: str) -> None:
        super().__init__(lanes, name)
        self._state = State()
        self._state_handlers = Handlers(beside=self._handlers)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            no_such_name(self, name, SOCKET, awaited=True)

    @property
    def state(self) -> str:
        """``"connecting"``, ``"connected"``, ``"offline"`` or ``"closed"``."""
        return self._state.value

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._state.value == "connected"

    def on_state(self, function: F) -> F:
        """Have a function called with the new state whenever it changes."""
        self._state_handlers.add(Handler(function))
        return function

    def off_state(self, function: Callable[..., Any]) -> None:
        """Undo `on_state`."""
        self._state_handlers.remove(None, function)

    def _set_state(self, state: str) -> None:
        if self._state.set(state):
            self._call_again(self._state_handlers.all, (state,))

    async def _comes(self, timeout: float | None = None) -> bool:
        """Wait for a connection; False if there will be none, or none in time."""
        return await self._state.connected(timeout)
