"""Finds subscriptions by name, by user and by notebook path, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, KeysView

from jupyter_rtmsg.log import StoredSubscription

Key = tuple[str, str, str]
OVERHEAD = 100
"""Bytes that the log needs for a subscription, beside its texts."""


class SubscriptionIndex:
    """An index of subscriptions.

    Parameters
    ----------
    rows : iterable of StoredSubscription
        If two that go on have the same name, the later one is used.
    """

    def __init__(self, rows: Iterable[StoredSubscription] = ()) -> None:
        self._named: dict[Key, StoredSubscription] = {}
        self._users: dict[str, dict[StoredSubscription, None]] = {}
        self._ended: dict[str, list[StoredSubscription]] = {}
        self._paths: dict[str, dict[StoredSubscription, None]] = {}
        self._weights: dict[StoredSubscription, int] = {}
        self._bytes: Counter[str] = Counter()
        for row in rows:
            if row.ended is None:
                self.add(row)
            else:
                self.end(row)

    def get(self, user: str, room: str, key: str) -> StoredSubscription | None:
        """Return the subscription that goes on under a name, or None."""
        return self._named.get((user, room, key))

    def of(self, user: str) -> KeysView[StoredSubscription]:
        """Return the subscriptions of a user that go on."""
        return self._users.get(user, {}).keys()

    def ended_of(self, user: str) -> list[StoredSubscription]:
        """Return the subscriptions of a user that have ended, the latest last."""
        return self._ended.get(user, [])

    def bytes(self, user: str | None = None) -> int:
        """Return the size of all subscriptions of a user, or of all users, including those that have ended."""
        return self._bytes.total() if user is None else self._bytes[user]

    def heaviest(self) -> str:
        """Return the user whose subscriptions are largest in all."""
        return max(self._bytes, key=self._bytes.__getitem__)

    def _weigh(self, row: StoredSubscription) -> None:
        self._weights[row] = weight(row.user, row.room, row.key, row.label, row.path)
        self._bytes[row.user] += self._weights[row]

    def _unweigh(self, row: StoredSubscription) -> None:
        self._bytes[row.user] -= self._weights.pop(row, 0)
        if not self._bytes[row.user]:
            del self._bytes[row.user]

    def beneath(self, path: str) -> Iterator[StoredSubscription]:
        """Yield the subscriptions of a notebook, or of all notebooks in a directory."""
        directory = path.rstrip("/") + "/"
        for each in [each for each in self._paths if each == path or each.startswith(directory)]:
            yield from list(self._paths[each])

    def add(self, row: StoredSubscription) -> None:
        """Add a subscription that goes on."""
        if earlier := self._named.get(_key(row)):
            self.discard(earlier)
        self._weigh(row)
        self._named[_key(row)] = row
        self._users.setdefault(row.user, {})[row] = None
        if row.path is not None:
            self._paths.setdefault(row.path, {})[row] = None

    def discard(self, row: StoredSubscription) -> None:
        """Remove a subscription that goes on. Must precede any change to its user, room, key, label or path."""
        self._unweigh(row)
        if self._named.get(_key(row)) is row:
            del self._named[_key(row)]
        _discard(self._users, row.user, row)
        _discard(self._paths, row.path, row)

    def relocate(self, row: StoredSubscription, path: str | None) -> None:
        """Change the path of a subscription that goes on."""
        if row.path != path:
            self.discard(row)
            row.relocate(path)
            self.add(row)

    def end(self, row: StoredSubscription) -> list[StoredSubscription]:
        """Add a subscription that has ended, and return all ended ones of its user."""
        self._weigh(row)
        ended = self._ended.setdefault(row.user, [])
        ended.append(row)
        return ended

    def forget(self, row: StoredSubscription) -> None:
        """Remove a subscription that has ended."""
        self._unweigh(row)
        ended = self._ended.get(row.user)
        if ended and row in ended:
            ended.remove(row)
            if not ended:
                del self._ended[row.user]


def weight(*texts: str | None) -> int:
    """Return the approximate size, in bytes of the log's file, of a subscription with these texts."""
    return OVERHEAD + sum(len(text.encode("utf-8", "surrogatepass")) for text in texts if text)


def _key(row: StoredSubscription) -> Key:
    return row.user, row.room, row.key


def _discard(groups: dict[str, dict[StoredSubscription, None]], group: str | None, row: StoredSubscription) -> None:
    members = groups.get(group) if group is not None else None
    if members is not None and members.pop(row, row) is None and not members:
        assert group is not None
        del groups[group]
