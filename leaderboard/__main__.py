"""``python -m leaderboard``: submit, check and score results; the site; what keeps the benchmark's versions."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from galaxy_zoo_decals import interruption

if __name__ == "__main__":
    interruption.until_ready("python -m leaderboard")

from galaxy_zoo_decals.ending import run_command
from galaxy_zoo_decals.workers import one_thread_of_blas
from leaderboard.arguments import parser

if TYPE_CHECKING:
    from leaderboard.entry.submission import Submission
    from leaderboard.entry.truths import Truths


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 1 for what the user can mend, said on stderr; 130 if interrupted."""
    options = parser().parse_args(arguments)
    one_thread_of_blas()
    return run_command(lambda: _run(options), "error: ", "\ninterrupted; nothing is half-written.")


def _run(options: argparse.Namespace) -> int:
    # Heavy imports come after the arguments are known to be good, so that --help answers at once.
    from leaderboard.entry.truths import Truths

    truths = Truths.on_this_machine(options.edition, options.truth)
    return COMMANDS[options.command](options, truths)


def _files(count: int) -> str:
    return f"{count} prediction {'file' if count == 1 else 'files'}"


def _template(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.entry import external
    from leaderboard.files import LeaderboardError

    keys = [key for key in truths.known() if key[0] == options.name and not truths.refused(key, new=True)]
    if not keys:
        raise LeaderboardError(
            f"there is no edition {options.name!r}; there are: {', '.join(k[0] for k in truths.known())}."
        )
    truth = truths.truth(keys[0])
    if truth is None:
        raise LeaderboardError(f"{options.name} {truths.missing(keys[0])}")
    table, facts = external.template(truth, options.task, options.out)
    print(f"Fill in {table}: one row for each of the {len(truth.names)} scored test galaxies of {options.name}, in any")
    print(f"order; .parquet is as welcome. Tell of the model in {facts}. Then")
    print(f"  python -m leaderboard submit --predictions {table} --facts {facts}")
    return 0


def _submit(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.entry import draft, external, rebind, submission
    from leaderboard.files import LeaderboardError

    facts = submission.read_facts(options.facts) if options.facts else submission.Facts()
    if bool(options.runs) == bool(options.predictions):
        raise LeaderboardError("give run folders, or tables with --predictions, but not both.")
    name = options.name or facts.name
    if not name:
        raise LeaderboardError("give the entry a name with --name, or in the file of facts.")
    slug = draft.slug(name, options.date or datetime.now(UTC).date())
    folder = options.root / "submissions" / slug
    with tempfile.TemporaryDirectory() as work:
        folders = options.runs
        if options.predictions:
            folders = [f for f, _ in external.gather(options.predictions, facts, truths, Path(work))]
        folders = [rebind.adopt(f, truths, Path(work) / f"{i}-{'-'.join(f.parts[-3:])}") for i, f in enumerate(folders)]
        found = draft.gather(folders, truths)
        made = draft.draft(found, name, options.authors, facts)
        if sys.stdin.isatty() and sys.stdout.isatty():
            made = _ask(made)
        draft.create(folder, found, made)
    print(f"Made {folder} from {len(found)} {'run' if len(found) == 1 else 'runs'}.")
    remaining = made.remaining()
    if remaining:
        print(f"Still to be filled in, in {folder / 'submission.yaml'}:")
    for key, hint in remaining.items():
        print(f"  {key:<22} {hint}")
    if made.code.commit is None:
        print(
            "The runs were not made from a clean commit of a git repository, so they will be refused. What is amiss is "
            "said by benchmark/run.py before it trains: mend that, and train again before you submit."
        )
    print(f"Then describe the model in {folder / 'README.md'}, and run")
    print(f"  python -m leaderboard score {slug}\n  python -m leaderboard check {folder}")
    return 0


def _ask(made: Submission) -> Submission:
    """Ask the person at the terminal for what remains; an empty answer leaves it for later."""
    from leaderboard.entry import draft
    from leaderboard.files import LeaderboardError

    remaining = made.remaining()
    if remaining:
        print("What cannot be known from the runs (Enter leaves a line for later):")
    for key, hint in remaining.items():
        while key in made.remaining() and (answer := input(f"  {key} ({hint})\n  > ").strip()):
            try:
                made = draft.with_answer(made, key, answer)
            except LeaderboardError as error:
                print(f"  {error}; once more:")
                continue
            break
    return made


def _score(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.files import LeaderboardError
    from leaderboard.ranking import stored_scores
    from leaderboard.ranking.entries import AbsentTruth, score_submission, to_store

    submissions = options.root / "submissions"
    slugs = options.slugs or sorted(p.name for p in submissions.glob("20*") if p.is_dir())
    left: dict[str, list[str]] = {}
    wrong = False
    for slug in slugs:
        folder, place = submissions / slug, options.root / "scores" / slug
        if Path(slug).name != slug or not folder.is_dir():
            there = ", ".join(sorted(p.name for p in submissions.glob("20*"))) or "none yet"
            raise LeaderboardError(f"there is no submission {slug!r} in {submissions}; there are: {there}.")
        stored, problems = score_submission(folder, truths)
        # An absent truth is said once, not for every seed of every entry.
        for problem in dict.fromkeys(map(str, problems)):
            left.setdefault(problem, []).append(slug)
        # Of all submissions those whose truth is not here stay as they are; one that was asked for was to be scored.
        amiss = any(not isinstance(problem, AbsentTruth) for problem in problems)
        wrong |= amiss or (bool(problems) and bool(options.slugs))
        if amiss or not stored:
            continue
        changed = to_store(folder, stored, place)
        if changed:
            stored_scores.write(place, changed)
        print(f"{slug}: {_files(len(stored))} scored, {'see' if changed else 'as they stand in'} {place}")
    for problem, kept in left.items():
        print(f"{kept[0] if len(kept) == 1 else f'{len(kept)} submissions'}: not scored: {problem}", file=sys.stderr)
    return 1 if wrong else 0


def _check(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.check import command

    return command.run(options, truths)


def _overlap(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.check import overlap

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
    others = overlap.respelled(listed, truths)
    if others:
        print(f"{others}\nSpell the names as the edition does and run this again: they are not counted above.")
    if names:
        print("Test galaxies are among them: test_overlap is `declared`.")
    elif not others:
        print("No test galaxy is among them.")
    return 1 if names or others else 0


def _reproduce(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.entry import evidence
    from leaderboard.ranking import entries
    from leaderboard.repeat import reproduction

    entry = entries.named(options.slug, *entries.submitted(options.root, truths))
    found = reproduction.compare(entry, options.runs, truths)
    print("\n".join(reproduction.words(entry, found)))
    if options.store:
        print(f"Stored in {evidence.write(options.root, entry.slug, reproduction.to_store(entry, found))}")
    return 0 if all(one.good for one in found) else 1


def _rerun(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.entry import evidence
    from leaderboard.files import LeaderboardError
    from leaderboard.ranking import entries
    from leaderboard.repeat import rerun

    entry = entries.named(options.slug, *entries.submitted(options.root, truths))
    models = rerun.models(options.weights)
    due = rerun.round_due(options.root, entry.slug) if options.fresh else None
    if options.fresh and not options.seed:
        raise LeaderboardError(f"{entry.slug}: {rerun.seed_wanted(due)}")
    if not options.fresh and (options.seed or options.galaxies):
        raise LeaderboardError("--seed and --galaxies are about fresh galaxies: add --fresh.")
    if options.galaxies is not None and options.galaxies < 30:
        raise LeaderboardError(f"--galaxies {options.galaxies}: on fewer than 30 galaxies nothing can be said.")
    boards = []
    with tempfile.TemporaryDirectory() as work:
        found, notes = rerun.run(entry, models, truths, Path(work))
        print("\n".join([*notes, *rerun.words(entry, found)]))
        if options.fresh:
            boards = rerun.on_fresh(found, options.seed, options.galaxies, truths, Path(work))
            print("\n".join(rerun.fresh_words(boards, options.seed)))
    if options.store:
        stored = rerun.to_store(entry, found, boards, options.seed or "", due)
        print(f"Stored in {evidence.write(options.root, entry.slug, stored)}")
    return 0 if all(one.good for one in found) and all(board.holds for board in boards) else 1


def _export(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.ranking import entries
    from leaderboard.render import hub_export

    entry = entries.named(options.slug, *entries.submitted(options.root, truths))
    for path in hub_export.write(entry, truths, options.dataset, options.revision, options.out):
        print(path)
    print("Upload both into the model's repository: `hf upload ORG/MODEL` with that folder.")
    return 0


def _references(options: argparse.Namespace, truths: Truths) -> int:
    from galaxy_zoo_decals.edition import Edition
    from leaderboard.ranking import stored_references

    for name in options.editions:
        key = next((k for k in truths.frozen if k[0] == name and truths.frozen[k][1].bound_by == "votes"), None)
        truth = truths.truth(key) if key else None
        if truth is not None:  # frozen by its catalogue: no edition on this machine need have all of its galaxies
            print(stored_references.write(options.root / "scores", truth, options.draws))
        else:
            print(stored_references.write(options.root / "scores", Edition.open(name), options.draws))
    return 0


def _freeze(options: argparse.Namespace, truths: Truths) -> int:
    from galaxy_zoo_decals.edition import Edition
    from leaderboard.entry import versions

    benchmark = options.root / "benchmark"
    if options.catalogue is None:
        edition = Edition.open(options.name)
        print(versions.freeze(benchmark, options.version, edition))
        if not edition.terms.may_publish_votes:
            print(f"Its votes may not be passed on (licence {edition.terms.licence}), so no truth was written.")
        return 0
    from galaxy_zoo_decals.sources.zenodo import Catalogue
    from galaxy_zoo_decals.splits import MIN_CLASSIFIED
    from leaderboard.files import LeaderboardError

    source = Catalogue(file=options.catalogue.expanduser())
    if not source.is_published and not options.any_table:
        raise LeaderboardError(
            f"{options.catalogue}: not the published table of votes (its md5 is {source.md5}), and what is frozen "
            "stays. `galaxy-zoo-decals prepare gzd5 --catalogue-only` fetches that one; --any-table freezes this one."
        )
    path, truth = versions.freeze_catalogue(benchmark, options.version, options.name, source)
    frozen = next(v for v in versions.read(benchmark) if v.version == options.version).editions[options.name]
    print(f"{len(truth.names):,} scored test galaxies; boards: {', '.join(frozen.boards)}.")
    if "multiclass" not in frozen.boards:
        classified = int((truth.classes.label >= 0).sum())
        print(f"No board of four classes: {classified:,} of them have a class, {MIN_CLASSIFIED} are asked for.")
    print(path)
    return 0


def _lacking(options: argparse.Namespace, truths: Truths) -> int:
    from galaxy_zoo_decals.edition import Edition
    from leaderboard.check import left_out
    from leaderboard.entry import versions
    from leaderboard.files import LeaderboardError

    edition = Edition.open(options.name)
    home = truths.home((edition.name, edition.content_hash))
    if home is None or truths.frozen[home][1].bound_by != "votes":
        raise LeaderboardError(f"{options.name}: its test galaxies are not those of a survey frozen by its votes.")
    truth = truths.truth(home)
    assert truth is not None
    path = versions.lacking_path(options.root / "benchmark", truths.frozen[home][0], home[0])
    count = left_out.write(path, truth, edition)
    print(f"{edition.terms.pictures}: {count:,} of {len(truth.names):,} scored test galaxies are lacking.\n{path}")
    return 0


def _schema(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.entry import json_schema

    for path in json_schema.write(options.root / "schema"):
        print(path)
    return 0


def _results(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.entry import versions
    from leaderboard.ranking import entries, stored_references
    from leaderboard.render import edition_page, readme_table
    from leaderboard.render.real_votes import RealVotes

    shown, warnings = entries.submitted(options.root, truths)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    newest = versions.read(options.root / "benchmark")[-1]
    names = sorted(newest.editions, key=edition_page.place)
    editions = {(name, newest.editions[name].content_hash): newest.editions[name] for name in names}
    table = readme_table.markdown(shown, editions, stored_references.read(options.root / "scores"))
    if (real := RealVotes.read()) is not None:
        table += f"\n\n{readme_table.of_real_votes(real)}"
    if options.into:
        readme_table.write(options.into, table)
    else:
        print(table)
    return 0


def _limit(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.files import read_json
    from leaderboard.render.limit import page, standings
    from leaderboard.render.real_votes import RealVotes

    editions, warnings = standings.read(options.root, truths)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(page.write(options.out, editions, read_json(page.CURVE), RealVotes.read()))
    return 0


def _site(options: argparse.Namespace, truths: Truths) -> int:
    from leaderboard.entry import literature
    from leaderboard.ranking import entries, stored_references
    from leaderboard.render import site

    shown, warnings = entries.submitted(options.root, truths)
    if options.runs is not None:
        found, more = entries.local(options.runs, truths)
        shown, warnings = shown + found, warnings + more
    references = stored_references.read(options.root / "scores")
    works = literature.read(options.root / "literature")
    made = site.site(shown, truths, references, options.out, works)
    for warning in warnings + made.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    pages = made.pages
    print(f"{len(pages)} pages, {len(shown)} {'entry' if len(shown) == 1 else 'entries'}: {pages[0].resolve()}")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace, Truths], int]] = {
    "template": _template,
    "submit": _submit,
    "score": _score,
    "check": _check,
    "overlap": _overlap,
    "reproduce": _reproduce,
    "rerun": _rerun,
    "export": _export,
    "references": _references,
    "freeze": _freeze,
    "lacking": _lacking,
    "schema": _schema,
    "results": _results,
    "limit": _limit,
    "site": _site,
}
"""What each command of arguments.py does."""


if __name__ == "__main__":
    raise SystemExit(main())
