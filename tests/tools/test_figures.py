"""Each figure counts what its name says, in packages of a few lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from figures import Figure, comments_in, measure, read


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path / "shop")


class Package:
    """A package to measure."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def write(self, name: str, source: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)

    def figure(self, name: str) -> Figure:
        """Measure again, and return one figure."""
        return next(figure for figure in measure(self.folder) if figure.name == name)


def test_files_and_their_lines_are_counted_and_empty_files_left_out(package: Package) -> None:
    package.write("__init__.py", "")
    package.write("short.py", "a = 1\n")
    package.write("long.py", "a = 1\n" * 30)
    assert package.figure("files").value == 2
    assert package.figure("lines of a file: median").value == 1
    assert package.figure("lines of a file: max").value == 30
    assert package.figure("lines of a file: max").places[0].split() == ["30", "shop/long.py"]


def test_a_body_has_no_docstring_and_a_stub_has_no_body(package: Package) -> None:
    package.write(
        "a.py",
        "def stub(a: int) -> int: ...\n\n"
        'def two(\n    a: int\n):\n    """A docstring."""\n    # why\n    b = a\n\n    return b\n',
    )
    assert package.figure("lines of a body: median").value == 3
    assert package.figure("lines of a body: max").places == ["    3 shop/a.py:3: two"]


def test_nesting_counts_blocks_in_blocks_but_neither_elif_nor_inner_functions(package: Package) -> None:
    package.write(
        "flat.py",
        "def f(a):\n    if a == 1:\n        pass\n    elif a == 2:\n        pass\n    elif a == 3:\n        pass\n",
    )
    assert package.figure("nesting: max").value == 1
    package.write("deep.py", "def f(a):\n    for b in a:\n        if b:\n            with b:\n                pass\n")
    assert package.figure("nesting: max").value == 3
    package.write("deep.py", "def f(a):\n    for b in a:\n        def g():\n            if b:\n                pass\n")
    assert package.figure("nesting: max").value == 1


def test_comments_are_counted_beside_code_without_docstrings_and_pragmas(package: Package) -> None:
    package.write("a.py", '"""Text.\n\nMore text.\n"""\n\n# why\na = 1  # noqa: E501\nb = (\n    2\n)\n')
    assert package.figure("comments per code line").value == pytest.approx(1 / 4)


def test_the_comments_of_state_machines_are_counted_in_the_listed_files_only(package: Package) -> None:
    package.write("dense.py", "# why\na = 1\n")
    package.write("bare.py", "a = 1\n")
    package.write("other.py", "a = 1\n")
    figure = comments_in(read(package.folder), ["dense.py", "bare.py"])
    assert figure.value == pytest.approx(1 / 2)
    assert figure.places == ["0.00 bare.py", "1.00 dense.py"]


def test_a_listed_state_machine_that_was_renamed_is_an_error(package: Package) -> None:
    package.write("new.py", "a = 1\n")
    with pytest.raises(ValueError, match=r"no such files.*: old\.py"):
        comments_in(read(package.folder), ["new.py", "old.py"])


def test_an_import_in_a_function_is_counted(package: Package) -> None:
    package.write("a.py", "import os\n\ndef f():\n    import json\n    return json, os\n")
    assert package.figure("imports in functions").places == ["shop/a.py:4: import json"]


@pytest.mark.parametrize(
    "imported",
    [
        "from .a import A",
        "from . import a",
        "import shop.a",
        "from shop import a",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import A",
    ],
)
def test_modules_that_import_each_other_are_a_circle_however_they_do_it(package: Package, imported: str) -> None:
    package.write("__init__.py", "from .c import C\n")
    package.write("a.py", "from .b import B\nfrom .c import C\n")
    package.write("b.py", f"{imported}\n")
    package.write("c.py", "C = 1\n")
    assert package.figure("import circles").places == ["2: shop.a shop.b"]
    assert package.figure("files in import circles").value == 2


def test_a_circle_may_lead_through_folders(package: Package) -> None:
    package.write("upper/__init__.py", "from .a import A\n")
    package.write("upper/a.py", "from ..lower import B\n")
    package.write("lower/__init__.py", "from shop.upper import A\n")
    assert package.figure("files in import circles").value == 3


def test_a_class_name_in_two_files_has_two_meanings(package: Package) -> None:
    package.write("a.py", "class Room: ...\nclass Hub: ...\n")
    package.write("b.py", "class Room: ...\nclass Log: ...\n")
    assert package.figure("class names with two meanings").places == ["Room: shop/a.py shop/b.py"]


def test_a_write_to_another_object_is_foreign_unless_its_class_is_in_the_file(package: Package) -> None:
    package.write("a.py", "class A:\n    x: int\n    def __init__(self, b):\n        self.y = b\n        b.y = 1\n")
    package.write("b.py", "def f(a):\n    a.y = 2\n    a.b.x += 3\n    del a.y\n")
    figure = package.figure("foreign writes per 1,000 lines")
    assert figure.places == ["shop/b.py:2: a.y", "shop/b.py:3: a.b.x", "shop/b.py:4: a.y"]
    assert figure.value == pytest.approx(1_000 * 3 / 9)


def test_a_setting_of_a_library_is_no_foreign_write(package: Package) -> None:
    package.write("a.py", "def f(context):\n    context.check_hostname = False\n")
    assert package.figure("foreign writes per 1,000 lines").value == 0
