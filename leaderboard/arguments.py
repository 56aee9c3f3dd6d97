"""The command line of ``python -m leaderboard``: every command with its options."""

from __future__ import annotations

import argparse
from datetime import date, datetime
from pathlib import Path

from galaxy_zoo_decals.argument_types import add_version
from galaxy_zoo_decals.schema import VIEWS
from leaderboard.files import DATA, ROOT


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; what it returns holds the name of the command chosen."""
    out = argparse.ArgumentParser(prog="python -m leaderboard", description="Submissions, checks, scores and the site.")
    add_version(out)
    commands = out.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--edition", action="append", default=[], metavar="[NAME=]PATH",
        help="folder of an edition that does not belong to the benchmark; may be given several times",
    )  # fmt: skip
    common.add_argument(
        "--truth", action="append", default=[], metavar="NAME=PATH",
        help="file with a truth that may not be redistributed: gz2=training_solutions_rev1.csv",
    )  # fmt: skip
    common.add_argument(
        "--root", type=Path, default=_near(DATA), metavar="DIR", help="leaderboard folder (the repository's)"
    )

    template = commands.add_parser(
        "template", parents=[common], help="write a table and facts to fill in, for models made without our harness"
    )
    template.add_argument("name", metavar="EDITION", help="edition of the predictions, such as sample")
    template.add_argument("task", choices=VIEWS, metavar="TASK", help=", ".join(VIEWS))
    template.add_argument("--out", type=Path, default=Path("submission"), metavar="DIR", help="folder (submission)")
    template.set_defaults(command="template")

    submit = commands.add_parser("submit", parents=[common], help="make a submission from runs or predictions")
    submit.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN_DIR", help="folders of runs: seeds and boards of one model"
    )
    submit.add_argument(
        "--predictions", nargs="+", type=Path, default=[], metavar="FILE",
        help="predictions made without our harness: tables (CSV, Parquet, FITS), one file per seed",
    )  # fmt: skip
    submit.add_argument(
        "--facts", type=Path, metavar="YAML", help="what submit cannot know; `template` writes this file"
    )
    submit.add_argument("--name", help="name of the entry on the boards")
    submit.add_argument("--authors", nargs="+", default=[], metavar="AUTHOR", help="names of the authors")
    submit.add_argument("--date", type=_day, default=None, metavar="YYYYMMDD", help="day in the folder's name (today)")
    submit.set_defaults(command="submit")

    score = commands.add_parser("score", parents=[common], help="score submissions and store the scores")
    score.add_argument("slugs", nargs="*", metavar="SLUG", help="submissions to score (default: all)")
    score.set_defaults(command="score")

    check = commands.add_parser("check", parents=[common], help="check submissions in the same way as a pull request")
    which = check.add_mutually_exclusive_group()
    which.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="folder of one submission (default: all)")
    which.add_argument("--diff", metavar="BASE", help="what this branch adds to BASE; other changes are faults")
    which.add_argument("--pull", metavar="COMMIT", help="what a pull request's commit adds; its files are only data")
    check.add_argument("--report", type=Path, metavar="FILE.md", help="also write the report to this file, as Markdown")
    check.set_defaults(command="check")

    overlap = commands.add_parser(
        "overlap", parents=[common], help="find test galaxies in a list of training galaxies (status 1 if any)"
    )
    overlap.add_argument(
        "list",
        type=Path,
        metavar="IDS",
        help="one name per line, or a table (CSV, Parquet, FITS, VOTable) with iauname, or ra and dec",
    )
    overlap.add_argument(
        "--out", type=Path, metavar="FILE", help="write the test galaxies found here, one name per line"
    )
    overlap.set_defaults(command="overlap")

    reproduce = commands.add_parser(
        "reproduce",
        parents=[common],
        help="compare new runs with the entry whose command they repeat (status 1 if too different)",
    )
    reproduce.add_argument("slug", metavar="SLUG", help="folder name of the entry")
    reproduce.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR", help="folders of the new runs")
    reproduce.set_defaults(command="reproduce")

    reproduce.add_argument("--store", action="store_true", help="store this as evidence if the entry is reproduced")

    rerun = commands.add_parser(
        "rerun", parents=[common], help="predict again with an entry's weights and compare (status 1 if not the same)"
    )
    rerun.add_argument("slug", metavar="SLUG", help="folder name of the entry")
    rerun.add_argument(
        "--weights", action="append", type=Path, required=True, metavar="MODEL_DIR",
        help="folder of a saved model or of its run; give it once per seed",
    )  # fmt: skip
    rerun.add_argument("--fresh", action="store_true", help="also score new simulated galaxies that nobody has seen")
    rerun.add_argument("--seed", metavar="TEXT", help="with --fresh: the value of a public beacon after the merge")
    rerun.add_argument(
        "--galaxies", type=int, metavar="N", help="with --fresh: about N scored galaxies (as many as the board has)"
    )
    rerun.add_argument("--store", action="store_true", help="store this as evidence if all seeds give the same")
    rerun.set_defaults(command="rerun")

    export = commands.add_parser("export", parents=[common], help="write an entry's results for the Hugging Face Hub")
    export.add_argument("slug", metavar="SLUG", help="folder name of the entry")
    export.add_argument("--dataset", required=True, metavar="ORG/NAME", help="the edition's dataset repository")
    export.add_argument("--revision", metavar="COMMIT", help="commit of that repository")
    export.add_argument("--out", type=Path, default=Path("export"), metavar="DIR", help="folder of the model (export)")
    export.set_defaults(command="export")

    references = commands.add_parser(
        "references",
        parents=[common],
        help="compute the reference rows of editions: class prior and, if votes are counted, noise ceilings",
    )
    references.add_argument("editions", nargs="+", metavar="EDITION", help="names or folders")
    references.add_argument("--draws", type=int, default=100, metavar="N", help="volunteer samples to draw (100)")
    references.set_defaults(command="references")

    freeze = commands.add_parser("freeze", parents=[common], help="add an edition to a version of the benchmark")
    freeze.add_argument("version", metavar="VERSION", help="number of the version, such as 1")
    freeze.add_argument("name", metavar="EDITION", help="name or folder of the edition; with --catalogue its new name")
    freeze.add_argument(
        "--catalogue", type=Path, metavar="FILE",
        help="freeze a survey by its published table of votes; needs no image and allows images of any source",
    )  # fmt: skip
    freeze.set_defaults(command="freeze")

    freeze.add_argument(
        "--any-table", action="store_true", help="with --catalogue: even if it is not the published one"
    )

    lacking = commands.add_parser(
        "lacking", parents=[common], help="record which galaxies of a frozen survey have no picture in an edition"
    )
    lacking.add_argument("name", metavar="EDITION", help="name or folder of an edition with all pictures of a source")
    lacking.set_defaults(command="lacking")

    schema = commands.add_parser("schema", parents=[common], help="write the JSON Schemas of submissions again")
    schema.set_defaults(command="schema")

    results = commands.add_parser(
        "results", parents=[common], help="print the maintainers' results as a Markdown table"
    )
    results.add_argument("--into", type=Path, metavar="FILE", help="write it between the marks of this file instead")
    results.set_defaults(command="results")

    limit = commands.add_parser("limit", parents=[common], help="write docs/limit.md, about the limit of the data")
    limit.add_argument("--out", type=Path, default=_near(ROOT / "docs"), metavar="DIR", help="folder to write (docs)")
    limit.set_defaults(command="limit")

    site = commands.add_parser("site", parents=[common], help="render the site")
    site.add_argument("--runs", type=Path, metavar="DIR", help="also show the runs below this folder, as local runs")
    site.add_argument("--out", type=Path, default=Path("build/site"), metavar="DIR", help="folder (build/site)")
    site.set_defaults(command="site")
    return out


def _near(folder: Path) -> Path:
    """Return a folder below the working one relative to it: what is said of files is shorter, and the same anywhere."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day of the form YYYYMMDD") from None
