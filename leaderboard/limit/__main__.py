"""The command line: `python -m leaderboard.limit`, or `make report`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from galaxy_zoo_decals.errors import UserError
from leaderboard.arguments import HERE
from leaderboard.files import read_text
from leaderboard.limit import figures, page, standings
from leaderboard.truths import Truths

DOCS = HERE.parent / "docs"
CURVE = DOCS / "evidence" / "learning-curve.json"


def main(arguments: list[str] | None = None) -> int:
    """Write the report; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m leaderboard.limit", description="Write docs/limit.md and its figures."
    )
    parser.add_argument("--out", type=Path, default=DOCS, metavar="DIR", help="folder of limit.md and its figures")
    args = parser.parse_args(arguments)
    try:
        editions = standings.read(HERE, Truths.on_this_machine([], []))
        curve = json.loads(read_text(CURVE)) if CURVE.is_file() else []
        text = page.text(editions, curve)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    args.out.mkdir(parents=True, exist_ok=True)
    for name, draw in figures.FIGURES.items():
        draw(editions, args.out / name)
    beside = args.out / ".limit.md.partial"
    beside.write_text(text, encoding="utf-8")
    beside.replace(args.out / "limit.md")
    print(args.out / "limit.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
