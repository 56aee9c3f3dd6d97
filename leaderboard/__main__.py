"""``python -m leaderboard``: submit, score, check, site."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leaderboard.truths import Truths

HERE = Path(__file__).resolve().parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 1 for what the user can mend, said on stderr."""
    options = _parser().parse_args(arguments)
    # Heavy imports come after the arguments are known to be good, so that --help answers at once.
    from leaderboard.truths import Truths

    try:
        truths = Truths.on_this_machine(options.edition)
        status: int = options.run(options, truths)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m leaderboard", description="Results in, entries and a site out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--edition",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="folder of an edition that has no name on this machine; may be given several times",
    )
    common.add_argument("--root", type=Path, default=HERE, help=argparse.SUPPRESS)

    submit = commands.add_parser("submit", parents=[common], help="make a submission from run folders")
    submit.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN_DIR", help="run folders: seeds and boards of one model"
    )
    submit.add_argument("--name", required=True, help="what the entry is called on the boards")
    submit.add_argument("--authors", nargs="+", default=[], metavar="AUTHOR")
    submit.add_argument("--date", type=_day, default=None, metavar="YYYYMMDD", help="day in the folder's name (today)")
    submit.set_defaults(run=_submit)

    score = commands.add_parser("score", parents=[common], help="score submissions and store the scores")
    score.add_argument("slugs", nargs="*", metavar="SLUG", help="submissions to score (all)")
    score.set_defaults(run=_score)

    check = commands.add_parser("check", parents=[common], help="check submissions as a pull request is checked")
    check.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="one submission (all)")
    check.set_defaults(run=_check)

    references = commands.add_parser(
        "references", parents=[common], help="compute the noise ceilings and other reference rows of editions"
    )
    references.add_argument("editions", nargs="+", metavar="EDITION", help="names or folders")
    references.add_argument("--draws", type=int, default=100, metavar="N", help="panels of volunteers drawn (100)")
    references.set_defaults(run=_references)

    site = commands.add_parser("site", parents=[common], help="render the site")
    site.add_argument("--runs", type=Path, metavar="DIR", help="show the runs below this folder too, as local runs")
    site.add_argument("--out", type=Path, default=Path("build/site"), metavar="DIR")
    site.set_defaults(run=_site)
    return parser


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day of the form YYYYMMDD") from None


def _files(count: int) -> str:
    return f"{count} prediction {'file' if count == 1 else 'files'}"


def _submit(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import submission

    found = submission.gather(options.runs, truths)
    slug = submission.slug(options.name, options.date or datetime.now(UTC).date())
    folder = options.root / "submissions" / slug
    made = submission.create(folder, found, options.name, options.authors)
    print(f"Made {folder} from {len(found)} {'run' if len(found) == 1 else 'runs'}.")
    print(f"Still to be filled in, in {folder / 'submission.yaml'}:")
    for key, hint in made.remaining().items():
        print(f"  {key:<22} {hint}")
    if made.code.commit is None:
        print("The runs were not made from a clean commit: commit your code and train again before you submit.")
    print(f"Then describe the model in {folder / 'README.md'}, and run")
    print(f"  python -m leaderboard score {slug}\n  python -m leaderboard check {folder}")
    return 0


def _score(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import scores
    from leaderboard.entries import score_submission
    from leaderboard.files import LeaderboardError

    submissions = options.root / "submissions"
    slugs = options.slugs or sorted(p.name for p in submissions.glob("20*") if p.is_dir())
    left = 0
    for slug in slugs:
        folder = submissions / slug
        if Path(slug).name != slug or not folder.is_dir():
            there = ", ".join(sorted(p.name for p in submissions.glob("20*"))) or "none yet"
            raise LeaderboardError(f"there is no submission {slug!r} in {submissions}; there are: {there}.")
        stored, problems = score_submission(folder, truths)
        for problem in problems:
            print(f"{slug}: not scored: {problem}", file=sys.stderr)
        if problems:
            left += 1
            continue
        scores.write(options.root / "scores" / slug, stored)
        print(f"{slug}: {_files(len(stored))} scored, see {options.root / 'scores' / slug}")
    return 1 if left else 0


def _check(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import checks

    submissions = options.root / "submissions"
    folders = sorted(p for p in submissions.glob("*") if not p.name.startswith("."))
    wanted = [options.folder] if options.folder else folders
    seen: dict[str, str] = {}
    if options.folder:
        others = [p for p in folders if p.resolve() != options.folder.resolve()]
        seen = checks.digests(others, truths)
    faults = 0
    for folder in wanted:
        report = checks.check(folder, options.root / "scores" / folder.name, truths, seen)
        for note in report.notes:
            print(f"note: {note}")
        for fault in report.faults:
            print(f"fault: {fault}", file=sys.stderr)
        faults += len(report.faults)
        verdict = (
            f"{len(report.faults)} {'fault' if len(report.faults) == 1 else 'faults'}" if report.faults else "good"
        )
        print(f"{folder.name}: {verdict}; {_files(report.files)}, {report.rescored} re-scored.")
    if not wanted:
        print(f"No submissions in {submissions}.")
    return 1 if faults else 0


def _references(options: argparse.Namespace, truths: Truths) -> int:
    from galaxy_zoo_decals.edition import Edition
    from leaderboard import scores

    for name in options.editions:
        print(scores.write_references(options.root / "scores", Edition.open(name), options.draws))
    return 0


def _site(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import entries, literature, render, scores

    shown, warnings = entries.submitted(options.root, truths)
    if options.runs is not None:
        found, more = entries.local(options.runs, truths)
        shown, warnings = shown + found, warnings + more
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    references = scores.read_references(options.root / "scores")
    works = literature.read(options.root / "literature")
    pages = render.site(shown, truths, references, options.out, works)
    print(f"{len(pages)} pages, {len(shown)} {'entry' if len(shown) == 1 else 'entries'}: {pages[0].resolve()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
