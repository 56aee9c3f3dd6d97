"""Rooms and arrows of the three packages: `python -m tests.rooms` prints the table of CONTRIBUTING.md.

A room is a module or sub-package right below a package; an arrow is a room that imports another, however many of its
modules do. Which way arrows may run is a contract of import-linter (pyproject.toml), held by `make test`.
"""

from __future__ import annotations

import grimp

PACKAGES = ("galaxy_zoo_decals", "benchmark", "leaderboard")


def arrows(graph: grimp.ImportGraph, package: str) -> set[tuple[str, str]]:
    """Return the pairs of rooms of a package of which the first imports the second."""
    found = set()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            pair = _room(importer, package), _room(imported, package)
            if all(pair) and pair[0] != pair[1]:
                found.add(pair)
    return found


def rooms(graph: grimp.ImportGraph, package: str) -> set[str]:
    """Return the rooms of a package."""
    return {room for module in graph.modules if (room := _room(module, package))}


def _room(module: str, package: str) -> str:
    """Return the room a module lies in, "" if it is of another package or the package's own __init__."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] if top == package else ""


def table() -> str:
    """Return rooms and arrows of every package as Markdown."""
    graph = grimp.build_graph(*PACKAGES)
    lines = ["| package | modules | rooms | arrows |", "|---|--:|--:|--:|"]
    for package in PACKAGES:
        modules = sum(m.partition(".")[0] == package for m in graph.modules)
        lines.append(f"| `{package}/` | {modules} | {len(rooms(graph, package))} | {len(arrows(graph, package))} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
