"""``python -m leaderboard``: submit, check and score results; the site; what keeps the benchmark's versions."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.workers import one_thread_of_blas

if TYPE_CHECKING:
    from leaderboard.submission import Submission
    from leaderboard.truths import Truths

HERE = Path(__file__).resolve().parent

TASKS = ("multiclass", "multilabel", "hierarchical", "votes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 1 for what the user can mend, said on stderr; 130 if interrupted."""
    options = _parser().parse_args(arguments)
    one_thread_of_blas()
    try:
        # Heavy imports come after the arguments are known to be good, so that --help answers at once.
        from leaderboard.truths import Truths

        truths = Truths.on_this_machine(options.edition, options.truth)
        status: int = options.run(options, truths)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; nothing is half-written.", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m leaderboard", description="Results in, entries and a site out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
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
        "--root", type=Path, default=_near(HERE), metavar="DIR", help="leaderboard folder (the one in use)"
    )

    template = commands.add_parser(
        "template", parents=[common], help="write a table and a file of facts to be filled in, for another harness"
    )
    template.add_argument("name", metavar="EDITION", help="the edition predicted on, such as sample")
    template.add_argument("task", choices=TASKS, metavar="TASK", help=", ".join(TASKS))
    template.add_argument("--out", type=Path, default=Path("submission"), metavar="DIR")
    template.set_defaults(run=_template)

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
    submit.set_defaults(run=_submit)

    score = commands.add_parser("score", parents=[common], help="score submissions and store the scores")
    score.add_argument("slugs", nargs="*", metavar="SLUG", help="submissions to score (all)")
    score.set_defaults(run=_score)

    check = commands.add_parser("check", parents=[common], help="check submissions as a pull request is checked")
    which = check.add_mutually_exclusive_group()
    which.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="one submission (all)")
    which.add_argument("--diff", metavar="BASE", help="what this branch adds to BASE, and that it changes nothing else")
    check.add_argument("--report", type=Path, metavar="FILE", help="write the report there too: .md or .json")
    check.set_defaults(run=_check)

    report = commands.add_parser("report", parents=[common], help="print a .json report of a check as safe Markdown")
    report.add_argument("file", type=Path, metavar="JSON")
    report.set_defaults(run=_report)

    overlap = commands.add_parser(
        "overlap", parents=[common], help="find test galaxies in a list of training galaxies (status 1 if there are)"
    )
    overlap.add_argument(
        "list", type=Path, metavar="IDS", help="names one a line, or .csv or .parquet with iauname, or ra and dec"
    )
    overlap.add_argument("--out", type=Path, metavar="FILE", help="write the test galaxies found, one name a line")
    overlap.set_defaults(run=_overlap)

    export = commands.add_parser("export", parents=[common], help="write an entry's results for the Hugging Face Hub")
    export.add_argument("slug", metavar="SLUG")
    export.add_argument("--dataset", required=True, metavar="ORG/NAME", help="the edition's dataset repository")
    export.add_argument("--revision", metavar="COMMIT", help="commit of that repository")
    export.add_argument("--out", type=Path, default=Path("export"), metavar="DIR", help="the model's folder (export)")
    export.set_defaults(run=_export)

    references = commands.add_parser(
        "references", parents=[common], help="compute the noise ceilings and other reference rows of editions"
    )
    references.add_argument("editions", nargs="+", metavar="EDITION", help="names or folders")
    references.add_argument("--draws", type=int, default=100, metavar="N", help="panels of volunteers drawn (100)")
    references.set_defaults(run=_references)

    freeze = commands.add_parser("freeze", parents=[common], help="add an edition to a version of the benchmark")
    freeze.add_argument("version", metavar="VERSION", help="number of the version, such as 1")
    freeze.add_argument("name", metavar="EDITION", help="name or folder")
    freeze.set_defaults(run=_freeze)

    schema = commands.add_parser("schema", parents=[common], help="write the JSON Schemas of submissions anew")
    schema.set_defaults(run=_schema)

    results = commands.add_parser(
        "results", parents=[common], help="print the maintainers' results as a Markdown table"
    )
    results.add_argument("--into", type=Path, metavar="FILE", help="put it between the marks of this file instead")
    results.set_defaults(run=_results)

    site = commands.add_parser("site", parents=[common], help="render the site")
    site.add_argument("--runs", type=Path, metavar="DIR", help="show the runs below this folder too, as local runs")
    site.add_argument("--out", type=Path, default=Path("build/site"), metavar="DIR")
    site.set_defaults(run=_site)
    return parser


def _near(folder: Path) -> Path:
    """Return a folder below the working one relative to it: what is said of files is shorter, and the same anywhere."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day of the form YYYYMMDD") from None


def _files(count: int) -> str:
    return f"{count} prediction {'file' if count == 1 else 'files'}"


def _template(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import tables
    from leaderboard.files import LeaderboardError

    keys = [key for key in truths.known() if key[0] == options.name and not truths.refused(key, new=True)]
    if not keys:
        raise LeaderboardError(
            f"there is no edition {options.name!r}; there are: {', '.join(k[0] for k in truths.known())}."
        )
    truth = truths.truth(keys[0])
    if truth is None:
        raise LeaderboardError(f"{options.name} {truths.missing(keys[0])}")
    table, facts = tables.template(truth, options.task, options.out)
    print(f"Fill in {table}: one row for each of the {len(truth.names)} scored test galaxies of {options.name}, in any")
    print(f"order; .parquet is as welcome. Tell of the model in {facts}. Then")
    print(f"  python -m leaderboard submit --predictions {table} --facts {facts}")
    return 0


def _submit(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import adoption, submission, tables
    from leaderboard.files import LeaderboardError

    facts = submission.read_facts(options.facts) if options.facts else submission.Facts()
    if bool(options.runs) == bool(options.predictions):
        raise LeaderboardError("give run folders, or tables with --predictions, but not both.")
    name = options.name or facts.name
    if not name:
        raise LeaderboardError("give the entry a name with --name, or in the file of facts.")
    slug = submission.slug(name, options.date or datetime.now(UTC).date())
    folder = options.root / "submissions" / slug
    with tempfile.TemporaryDirectory() as work:
        folders = options.runs
        if options.predictions:
            folders = [f for f, _ in tables.gather(options.predictions, facts, truths, Path(work))]
        folders = [
            adoption.adopt(f, truths, Path(work) / f"{i}-{'-'.join(f.parts[-3:])}") for i, f in enumerate(folders)
        ]
        found = submission.gather(folders, truths)
        made = submission.draft(found, name, options.authors, facts)
        if sys.stdin.isatty() and sys.stdout.isatty():
            made = _ask(made)
        submission.create(folder, found, made)
    print(f"Made {folder} from {len(found)} {'run' if len(found) == 1 else 'runs'}.")
    remaining = made.remaining()
    if remaining:
        print(f"Still to be filled in, in {folder / 'submission.yaml'}:")
    for key, hint in remaining.items():
        print(f"  {key:<22} {hint}")
    if made.code.commit is None:
        print("The runs were not made from a clean commit: commit your code and train again before you submit.")
    print(f"Then describe the model in {folder / 'README.md'}, and run")
    print(f"  python -m leaderboard score {slug}\n  python -m leaderboard check {folder}")
    return 0


def _ask(made: Submission) -> Submission:
    """Ask the person at the terminal for what remains; an empty answer leaves it for later."""
    from leaderboard import submission
    from leaderboard.files import LeaderboardError

    remaining = made.remaining()
    if remaining:
        print("What cannot be known from the runs (Enter leaves a line for later):")
    for key, hint in remaining.items():
        while key in made.remaining() and (answer := input(f"  {key} ({hint})\n  > ").strip()):
            try:
                made = submission.with_answer(made, key, answer)
            except LeaderboardError as error:
                print(f"  {error}; once more:")
                continue
            break
    return made


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
    from leaderboard import changes, checks, entries, plausibility, report, scores
    from leaderboard.files import LeaderboardError, visible

    submissions = options.root / "submissions"
    for place in (submissions, options.root / "scores"):
        if place.is_symlink():
            raise LeaderboardError(f"{place}: is a link, so nothing below it was looked at.")
    folders = sorted(p for p in submissions.glob("*") if not p.name.startswith("."))
    faults: list[str] = []
    new: set[str] = set()
    if options.diff is not None:
        changed = changes.read(options.root, options.diff)
        faults, new = changed.faults, set(changed.added)
        wanted = [submissions / slug for slug in [*changed.added, *changed.status_only]]
    else:
        wanted = [options.folder] if options.folder else folders
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    inside = {p.resolve() for p in wanted}
    # Merged entries have been checked; where a pull request changes them none is trusted or compared with.
    merged = [] if faults else [p for p in folders if p.resolve() not in inside]
    seen = plausibility.sightings(merged, truths)
    comparable = bool(wanted) and not faults
    everyone, _ = entries.submitted(options.root, truths) if comparable else ([], [])
    references = scores.read_references(options.root / "scores") if comparable else {}
    told = []
    for folder in wanted:
        found = checks.check(folder, options.root / "scores" / folder.name, truths, seen, folder.name in new)
        # A folder elsewhere has the name of an entry at most by chance.
        entry = next((e for e in everyone if e.folder and e.folder.resolve() == folder.resolve()), None)
        standings, flags = [], []
        if entry is not None and not found.faults:
            standings = report.standings(entry, everyone, references)
            flags = report.flags(entry, everyone, standings, found.notes)
        for word, texts in (("note", found.notes), ("for a person", flags)):
            for text in texts:
                print(f"{word}: {text}")
        for fault in found.faults:
            print(f"fault: {fault}", file=sys.stderr)
        for line in report.words(standings):
            print(line)
        told.append(
            report.Checked(
                slug=visible(folder.name),
                title=visible(entry.title if entry else folder.name),
                files=found.files,
                rescored=found.rescored,
                faults=report.bounded(found.faults),
                notes=report.bounded(found.notes),
                flags=report.bounded(flags),
                standings=standings[: report.MOST],
            )
        )
        count = len(found.faults)
        verdict = f"{count} {'fault' if count == 1 else 'faults'}" if count else "good"
        print(f"{visible(folder.name)}: {verdict}; {_files(found.files)}, {found.rescored} re-scored.")
    if not wanted:
        print("No submission is added or touched." if options.diff else f"No submissions in {submissions}.")
    whole = report.Report(faults=report.bounded(faults), submissions=told[: report.MOST])
    if options.report is not None:
        report.write(options.report, whole)
    return 0 if whole.good else 1


def _report(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import report

    print(report.markdown(report.read(options.file)), end="")
    return 0


def _overlap(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import overlap

    listed = overlap.read(options.list)
    print(f"{len(listed):,} galaxies in {options.list}.")
    names: set[str] = set()
    for found in overlap.find(listed, truths):
        said = f"{len(found.by_name)} by name, {len(found.by_position)} within {overlap.RADIUS_ARCSEC:g} arcsec"
        print(f"{found.key[0]} ({found.key[1][:12]}): {len(found.names)} of {found.galaxies:,} test galaxies ({said})")
        names |= set(found.names)
    for key in truths.known():
        if not truths.refused(key, new=False) and key not in truths.editions and truths.truth(key) is None:
            print(f"{key[0]} ({key[1][:12]}): not looked at: {truths.missing(key)}")
    if options.out is not None:
        options.out.write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")
    print("Test galaxies are among them: test_overlap is `declared`." if names else "No test galaxy is among them.")
    return 1 if names else 0


def _export(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import entries, export
    from leaderboard.files import LeaderboardError

    everyone, warnings = entries.submitted(options.root, truths)
    entry = next((e for e in everyone if e.slug == options.slug), None)
    if entry is None:
        why = next((w for w in warnings if w.startswith(options.slug)), "")
        there = ", ".join(e.slug for e in everyone) or "none"
        raise LeaderboardError(why or f"there is no entry {options.slug!r}; there are: {there}.")
    for path in export.write(entry, options.dataset, options.revision, options.out):
        print(path)
    print("Upload both into the model's repository: `hf upload ORG/MODEL` with that folder.")
    return 0


def _references(options: argparse.Namespace, truths: Truths) -> int:
    from galaxy_zoo_decals.edition import Edition
    from leaderboard import scores

    for name in options.editions:
        print(scores.write_references(options.root / "scores", Edition.open(name), options.draws))
    return 0


def _freeze(options: argparse.Namespace, truths: Truths) -> int:
    from galaxy_zoo_decals.edition import Edition
    from leaderboard import versions
    from leaderboard.truths import may_show

    edition = Edition.open(options.name)
    print(versions.freeze(options.root / "benchmark", options.version, edition, may_show(edition.tree)))
    return 0


def _schema(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import schema

    for path in schema.write(options.root / "schema"):
        print(path)
    return 0


def _results(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard import entries, results, scores, versions

    shown, warnings = entries.submitted(options.root, truths)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    newest = versions.read(options.root / "benchmark")[-1]
    editions = {(name, frozen.content_hash): frozen for name, frozen in newest.editions.items()}
    table = results.markdown(shown, editions, scores.read_references(options.root / "scores"))
    if options.into:
        results.write(options.into, table)
    else:
        print(table)
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
