"""A pattern of names: a star stands for any text, a question mark for one character, and all else for itself."""

from __future__ import annotations

from itertools import product

import pytest

from jupyter_rtmsg.hub.groups.pattern import NamePattern


def _fits(name: str, pattern: str) -> bool:
    """Match by definition: in time that grows without bound with the number of stars."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(_fits(name[taken:], pattern[1:]) for taken in range(len(name) + 1))
    return bool(name) and pattern[0] in ("?", name[0]) and _fits(name[1:], pattern[1:])


def test_all_short_patterns_match_the_names_that_they_should() -> None:
    names = ["".join(each) for length in range(5) for each in product("ab", repeat=length)]
    for pattern in ("".join(each) for length in range(5) for each in product("ab*?", repeat=length)):
        wanted = NamePattern(pattern)
        for name in names:
            assert wanted.matches(name) == _fits(name, pattern), (name, pattern)


@pytest.mark.parametrize("name", ["a.b", "a[0]", "a(b)+", "\\d", "a^b$", "a|b", "two\nlines"])
def test_characters_of_regular_expressions_stand_for_themselves(name: str) -> None:
    assert NamePattern(name).matches(name)
    assert NamePattern("*" + name).matches(name)
    assert NamePattern("?" * len(name)).matches(name)
    assert not NamePattern(name).matches("x" * len(name))
    assert not NamePattern(name).matches(name + "\n")


@pytest.mark.parametrize("pattern", ["*" + "a*" * 63 + "b", "*" + "a" * 126 + "b", "*" + "?a" * 31 + "b" + "*"])
def test_a_pattern_with_many_stars_comes_to_an_end(pattern: str) -> None:
    """An implementation that goes back to earlier stars does not, within the age of the universe."""
    wanted = NamePattern(pattern)
    assert not any(wanted.matches("a" * 122 + f"{number:06}") for number in range(100))
