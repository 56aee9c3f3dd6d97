"""The command line: `python -m leaderboard.limit`, or `make report`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from galaxy_zoo_decals.errors import UserError
from leaderboard.arguments import HERE
from leaderboard.files import read_json
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
        editions, warnings = standings.read(HERE, Truths.on_this_machine([], []))
        text = page.text(editions, read_json(CURVE))
        args.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=args.out, prefix=".limit.") as work:
            for name, draw in figures.FIGURES.items():
                draw(editions, Path(work, name))
            Path(work, "limit.md").write_text(text, encoding="utf-8")
            for made in Path(work).iterdir():
                made.replace(args.out / made.name)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}.", file=sys.stderr)
        return 1
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(args.out / "limit.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
