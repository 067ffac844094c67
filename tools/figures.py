"""The figures that come from the source of a package: what each one counts, and where.

A file that is empty does not count, and a body is what follows a function's docstring. Docstrings are neither code nor
comments.
"""

from __future__ import annotations

import ast
import io
import math
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeGuard

Place = str
"""A line of a list: what is counted, and where it is."""


@dataclass(frozen=True)
class Figure:
    """A measured number, and the places that it counts."""

    name: str
    value: float
    places: Sequence[Place] = ()

    def __str__(self) -> str:
        return f"{self.value:.2f}" if isinstance(self.value, float) else f"{self.value:,}"


# --- the source


@dataclass(frozen=True)
class Module:
    """A file of the package.

    ``name`` is the dotted name that imports use, ``path`` the file relative to the folder of the package.
    """

    name: str
    path: str
    source: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """The nodes of the tree."""
        return list(ast.walk(self.tree))

    @property
    def package(self) -> str:
        """The package that relative imports start from."""
        return self.name if self.path.endswith("__init__.py") else self.name.rpartition(".")[0]

    @property
    def length(self) -> int:
        """The number of lines."""
        return len(self.source.splitlines())

    def place(self, node: ast.stmt | ast.expr, text: str) -> Place:
        """Say where a node is, and what it is."""
        return f"{self.path}:{node.lineno}: {text}"


def read(package: Path) -> list[Module]:
    """Parse the files of a package. Empty files are left out, and so are tests that it contains."""
    modules = []
    for path in sorted(package.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        relative = path.relative_to(package.parent)
        parts = relative.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if source.strip() and "tests" not in parts:
            modules.append(Module(name, relative.as_posix(), source, ast.parse(source)))
    return modules


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions and methods that have a body: stubs of overloads and protocols have none."""
    for node in module.nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and body(node):
            yield node


def body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    """Return the statements of a function without its docstring; none for a stub (``...``)."""
    statements = function.body[ast.get_docstring(function, clean=False) is not None :]
    return [each for each in statements if not _is_ellipsis(each)]


def _is_ellipsis(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and statement.value.value is ...
    )


# --- sizes


def percentile(values: Iterable[int], share: float) -> int:
    """Return the smallest value that is not exceeded by ``share`` of the values; 0 if there are none."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else 0


def spread(name: str, sizes: dict[Place, int]) -> list[Figure]:
    """Return median, 90th percentile and maximum, which lists the largest twenty."""
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:20]
    places = [f"{sizes[place]:>5} {place}" for place in largest]
    values = sizes.values()
    return [
        Figure(f"{name}: median", percentile(values, 0.5)),
        Figure(f"{name}: p90", percentile(values, 0.9)),
        Figure(f"{name}: max", max(values, default=0), places),
    ]


def file_lengths(modules: list[Module]) -> list[Figure]:
    return [Figure("files", len(modules)), *spread("lines of a file", {each.path: each.length for each in modules})]


def body_lengths(modules: list[Module]) -> list[Figure]:
    sizes = {}
    for module in modules:
        for function in functions(module):
            statements = body(function)
            end = statements[-1].end_lineno or statements[-1].lineno
            sizes[module.place(function, function.name)] = end - statements[0].lineno + 1
    return spread("lines of a body", sizes)


_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def depth(statement: ast.AST) -> int:
    """Return how many blocks are nested in each other; ``elif`` adds none, functions inside count alone."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
        return 0
    deepest = 0
    for child in ast.iter_child_nodes(statement):
        elif_ = isinstance(statement, ast.If) and isinstance(child, ast.If) and statement.orelse == [child]
        deepest = max(deepest, depth(child) - elif_)
    return deepest + isinstance(statement, _BLOCKS)


def nesting(modules: list[Module]) -> list[Figure]:
    sizes = {
        module.place(function, function.name): max(map(depth, function.body))
        for module in modules
        for function in functions(module)
    }
    return spread("nesting", sizes)[1:]


# --- comments


_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
_PRAGMAS = ("# type:", "# noqa", "# fmt:", "# pragma:", "#!")


def _docstring_lines(module: Module) -> set[int]:
    texts = [node for node in module.nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    return {line for text in texts for line in range(text.lineno, (text.end_lineno or text.lineno) + 1)}


def comments(modules: list[Module]) -> list[Figure]:
    """Count comment lines beside lines of code. Docstrings are neither, nor are pragmas comments."""
    return [Figure("comments per code line", comment_share(modules))]


def comment_share(modules: Iterable[Module]) -> float:
    """Return the number of comment lines for each line of code."""
    code, comment = 0, 0
    for module in modules:
        tokens = list(tokenize.generate_tokens(io.StringIO(module.source).readline))
        lines = {
            line for token in tokens if token.type not in _NO_CODE for line in range(token.start[0], token.end[0] + 1)
        }
        code += len(lines - _docstring_lines(module))
        comment += sum(token.type == tokenize.COMMENT and not token.string.startswith(_PRAGMAS) for token in tokens)
    return comment / max(code, 1)


def comments_in(modules: list[Module], paths: Sequence[str]) -> Figure:
    """Return the comments per code line of the state machines, which are the files with these paths.

    Raises
    ------
    ValueError
        If a file is missing, for example because it was renamed.
    """
    found = {module.path.partition("/")[2]: module for module in modules}
    missing = [path for path in paths if path not in found]
    if missing:
        raise ValueError(f"no such files, which the list of state machines has: {', '.join(missing)}")
    shares = {path: comment_share([found[path]]) for path in paths}
    places = [f"{shares[path]:.2f} {path}" for path in sorted(paths, key=shares.__getitem__)]
    return Figure("comments per code line of state machines", comment_share(found[path] for path in paths), places)


# --- imports


@dataclass(frozen=True)
class Import:
    """An import of a module of the same package."""

    importer: Module
    imported: str
    node: ast.Import | ast.ImportFrom
    local: bool


def _targets(module: Module, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parents = module.package.split(".")
        base = ".".join(parents[: len(parents) - node.level + 1] + ([node.module] if node.module else []))
    # What is imported may be a submodule, or a name in the package.
    yield from (f"{base}.{alias.name}" for alias in node.names)


def imports(modules: list[Module]) -> Iterator[Import]:
    """Yield all imports inside the package: in functions and under TYPE_CHECKING, too."""
    known = {module.name for module in modules}
    for module in modules:
        inner = set(_inner_nodes(module))
        for node in module.nodes:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for target in _targets(module, node):
                    name = target if target in known else target.rpartition(".")[0]
                    if name in known and name != module.name:
                        yield Import(module, name, node, node in inner)


def _inner_nodes(module: Module) -> dict[ast.AST, None]:
    """Return the nodes inside functions, in their order and each one once."""
    return dict.fromkeys(node for function in functions(module) for node in ast.walk(function))


def circles(modules: list[Module]) -> list[Figure]:
    """Find the modules that import each other, directly or through others."""
    graph: dict[str, set[str]] = defaultdict(set)
    for each in imports(modules):
        if not each.local:
            graph[each.importer.name].add(each.imported)
    found = [sorted(group) for group in components(graph) if len(group) > 1]
    places = [f"{len(group)}: {' '.join(group)}" for group in sorted(found, key=len, reverse=True)]
    return [
        Figure("import circles", len(found), places),
        Figure("files in import circles", sum(map(len, found)), places),
    ]


def components(graph: dict[str, set[str]]) -> Iterator[set[str]]:
    """Yield the strongly connected components of a graph: groups whose members all reach each other."""
    reached = {node: _reachable(graph, node) for node in graph}
    left = set(graph)
    while left:
        node = left.pop()
        group = {node} | {other for other in reached[node] & left if node in reached[other]}
        left -= group
        yield group


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        if (node := waiting.pop()) not in seen:
            seen.add(node)
            waiting += graph.get(node, ())
    return seen


def local_imports(modules: list[Module]) -> list[Figure]:
    """Count imports inside functions, of any package: each hides a dependency, or saves time at start."""
    places = [
        module.place(node, ast.unparse(node))
        for module in modules
        for node in _inner_nodes(module)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    return [Figure("imports in functions", len(places), places)]


# --- names and owners


def class_names(modules: list[Module]) -> list[Figure]:
    """Find class names that stand for one thing in one file and for another elsewhere."""
    homes: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        names = {node.name for node in module.nodes if isinstance(node, ast.ClassDef)}
        for name in names:
            homes[name].append(module.path)
    places = [f"{name}: {' '.join(paths)}" for name, paths in sorted(homes.items()) if len(paths) > 1]
    return [Figure("class names with two meanings", len(places), places)]


def _own_attributes(module: Module) -> set[str]:
    """Return the attributes that the classes of a file declare, or set on ``self`` and ``cls``."""
    names: set[str] = set()
    for node in module.nodes:
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                names |= {target.id for target in _assigned(statement) if isinstance(target, ast.Name)}
                if isinstance(statement, ast.FunctionDef) and statement.decorator_list:
                    names.add(statement.name)  # a property
        elif _is_write(node) and _is_self(node.value):
            names.add(node.attr)
    return names


def _assigned(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


def _is_write(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del))


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def foreign_writes(modules: list[Module]) -> list[Figure]:
    """Count assignments to attributes of objects whose class is in another file of the package.

    What no class of the package declares is a setting of a library's object (``context.check_hostname = False``).
    """
    own = {module.path: _own_attributes(module) for module in modules}
    declared = set[str]().union(*own.values())
    places: list[Place] = []
    for module in modules:
        writes = [node for node in module.nodes if _is_write(node) and not _is_self(node.value)]
        foreign = [node for node in writes if node.attr in declared - own[module.path]]
        places += [module.place(node, ast.unparse(node)) for node in sorted(foreign, key=lambda node: node.lineno)]
    lines = sum(module.length for module in modules)
    return [Figure("foreign writes per 1,000 lines", 1_000 * len(places) / max(lines, 1), places)]


# --- all of them


STATIC = (
    file_lengths,
    body_lengths,
    nesting,
    comments,
    local_imports,
    circles,
    class_names,
    foreign_writes,
)


def measure(package: Path) -> list[Figure]:
    """Return the figures that come from the source."""
    modules = read(package)
    return [figure for count in STATIC for figure in count(modules)]
