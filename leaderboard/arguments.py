"""The command line of ``python -m leaderboard``: every command with its options."""

from __future__ import annotations

import argparse
from datetime import date, datetime
from pathlib import Path

from leaderboard.files import DATA, ROOT

TASKS = ("multiclass", "multilabel", "hierarchical", "votes")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; what it returns holds the name of the command chosen."""
    out = argparse.ArgumentParser(prog="python -m leaderboard", description="Results in, entries and a site out.")
    commands = out.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--edition", action="append", default=[], metavar="[NAME=]PATH",
        help="folder of an edition that is none of the benchmark's; may be given several times",
    )  # fmt: skip
    common.add_argument(
        "--truth", action="append", default=[], metavar="NAME=PATH",
        help="file that holds a truth which may not be passed on: gz2=training_solutions_rev1.csv",
    )  # fmt: skip
    common.add_argument(
        "--root", type=Path, default=_near(DATA), metavar="DIR", help="leaderboard folder (the one in use)"
    )

    template = commands.add_parser(
        "template", parents=[common], help="write a table and a file of facts to be filled in, for another harness"
    )
    template.add_argument("name", metavar="EDITION", help="the edition predicted on, such as sample")
    template.add_argument("task", choices=TASKS, metavar="TASK", help=", ".join(TASKS))
    template.add_argument("--out", type=Path, default=Path("submission"), metavar="DIR")
    template.set_defaults(command="template")

    submit = commands.add_parser("submit", parents=[common], help="make a submission from runs or predictions")
    submit.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN_DIR", help="run folders: seeds and boards of one model"
    )
    submit.add_argument(
        "--predictions", nargs="+", type=Path, default=[], metavar="FILE",
        help="predictions made without our harness: .csv or .parquet, a file a seed",
    )  # fmt: skip
    submit.add_argument("--facts", type=Path, metavar="YAML", help="what submit cannot know; `template` writes one")
    submit.add_argument("--name", help="what the entry is called on the boards")
    submit.add_argument("--authors", nargs="+", default=[], metavar="AUTHOR")
    submit.add_argument("--date", type=_day, default=None, metavar="YYYYMMDD", help="day in the folder's name (today)")
    submit.set_defaults(command="submit")

    score = commands.add_parser("score", parents=[common], help="score submissions and store the scores")
    score.add_argument("slugs", nargs="*", metavar="SLUG", help="submissions to score (all)")
    score.set_defaults(command="score")

    check = commands.add_parser("check", parents=[common], help="check submissions as a pull request is checked")
    which = check.add_mutually_exclusive_group()
    which.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="one submission (all)")
    which.add_argument("--diff", metavar="BASE", help="what this branch adds to BASE, and that it changes nothing else")
    which.add_argument("--pull", metavar="COMMIT", help="what a pull request's commit adds, its files as data alone")
    check.add_argument("--report", type=Path, metavar="FILE.md", help="write the report there too, as Markdown")
    check.set_defaults(command="check")

    overlap = commands.add_parser(
        "overlap", parents=[common], help="find test galaxies in a list of training galaxies (status 1 if there are)"
    )
    overlap.add_argument(
        "list", type=Path, metavar="IDS", help="names one a line, or .csv or .parquet with iauname, or ra and dec"
    )
    overlap.add_argument("--out", type=Path, metavar="FILE", help="write the test galaxies found, one name a line")
    overlap.set_defaults(command="overlap")

    reproduce = commands.add_parser(
        "reproduce",
        parents=[common],
        help="hold runs against the entry whose command they repeat (status 1 if far)",
    )
    reproduce.add_argument("slug", metavar="SLUG", help="the entry")
    reproduce.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR", help="folders of the runs made anew")
    reproduce.set_defaults(command="reproduce")

    reproduce.add_argument("--store", action="store_true", help="keep it as evidence, if the entry is reproduced")

    rerun = commands.add_parser(
        "rerun", parents=[common], help="predict with an entry's weights again and compare (status 1 if not the same)"
    )
    rerun.add_argument("slug", metavar="SLUG", help="the entry")
    rerun.add_argument(
        "--weights", action="append", type=Path, required=True, metavar="MODEL_DIR",
        help="folder of a saved model, or of its run; may be given several times, one for each seed",
    )  # fmt: skip
    rerun.add_argument("--fresh", action="store_true", help="score fresh simulated galaxies too, which nobody has seen")
    rerun.add_argument("--seed", metavar="TEXT", help="with --fresh: what a public beacon gave out after the merge")
    rerun.add_argument(
        "--galaxies", type=int, metavar="N", help="with --fresh: about so many scored ones (as many as the board has)"
    )
    rerun.add_argument("--store", action="store_true", help="keep it as evidence, if all seeds come out again")
    rerun.set_defaults(command="rerun")

    export = commands.add_parser("export", parents=[common], help="write an entry's results for the Hugging Face Hub")
    export.add_argument("slug", metavar="SLUG")
    export.add_argument("--dataset", required=True, metavar="ORG/NAME", help="the edition's dataset repository")
    export.add_argument("--revision", metavar="COMMIT", help="commit of that repository")
    export.add_argument("--out", type=Path, default=Path("export"), metavar="DIR", help="the model's folder (export)")
    export.set_defaults(command="export")

    references = commands.add_parser(
        "references",
        parents=[common],
        help="compute the reference rows of editions: class prior, noise ceilings where votes are counted",
    )
    references.add_argument("editions", nargs="+", metavar="EDITION", help="names or folders")
    references.add_argument("--draws", type=int, default=100, metavar="N", help="panels of volunteers drawn (100)")
    references.set_defaults(command="references")

    freeze = commands.add_parser("freeze", parents=[common], help="add an edition to a version of the benchmark")
    freeze.add_argument("version", metavar="VERSION", help="number of the version, such as 1")
    freeze.add_argument("name", metavar="EDITION", help="name or folder; with --catalogue the name it gets")
    freeze.add_argument(
        "--catalogue", type=Path, metavar="FILE",
        help="freeze the survey by its published table of votes alone: no image is needed, pictures of any source do",
    )  # fmt: skip
    freeze.set_defaults(command="freeze")

    freeze.add_argument("--any-table", action="store_true", help="with --catalogue: though it is not the published one")

    lacking = commands.add_parser(
        "lacking", parents=[common], help="write down which galaxies of a frozen survey the pictures of an edition lack"
    )
    lacking.add_argument("name", metavar="EDITION", help="name or folder of an edition with all pictures of a source")
    lacking.set_defaults(command="lacking")

    schema = commands.add_parser("schema", parents=[common], help="write the JSON Schemas of submissions anew")
    schema.set_defaults(command="schema")

    results = commands.add_parser(
        "results", parents=[common], help="print the maintainers' results as a Markdown table"
    )
    results.add_argument("--into", type=Path, metavar="FILE", help="put it between the marks of this file instead")
    results.set_defaults(command="results")

    limit = commands.add_parser("limit", parents=[common], help="write docs/limit.md, on the data's limit")
    limit.add_argument("--out", type=Path, default=_near(ROOT / "docs"), metavar="DIR", help="its folder (docs)")
    limit.set_defaults(command="limit")

    site = commands.add_parser("site", parents=[common], help="render the site")
    site.add_argument("--runs", type=Path, metavar="DIR", help="show the runs below this folder too, as local runs")
    site.add_argument("--out", type=Path, default=Path("build/site"), metavar="DIR")
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
