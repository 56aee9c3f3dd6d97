"""The command galaxy-zoo-decals: prepare, choose, inspect and score editions."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from galaxy_zoo_decals.argument_types import add_version, file, positive
from galaxy_zoo_decals.ending import run_command
from galaxy_zoo_decals.errors import FULL, UserError
from galaxy_zoo_decals.prepare import command
from galaxy_zoo_decals.workers import one_thread_of_blas

# Everything else is imported where it is used: --help and a wrong argument answer at once.
if TYPE_CHECKING:
    from galaxy_zoo_decals.scoring import Truth


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0, 1 on a user's error, 2 on wrong arguments, 130 if interrupted)."""
    options = parser().parse_args(arguments)
    one_thread_of_blas()
    return run_command(
        lambda: _run(options),
        "galaxy-zoo-decals: ",
        "\ngalaxy-zoo-decals: interrupted. The same command goes on where it stopped.",
    )


def _run(options: argparse.Namespace) -> int | None:
    """Run a command; a mistake or a full disk under an error of a library is raised in its stead."""
    try:
        return options.run(options)
    except BrokenPipeError:
        raise
    except Exception as error:
        if known := next((e for e in _causes(error) if isinstance(e, UserError)), None):
            raise known from None
        if full := next((e for e in _causes(error) if isinstance(e, OSError) and e.errno in FULL), None):
            raise UserError(
                f"no space is left on the disk ({full}). Nothing that stood before was changed; make room and run the "
                "same command again: it goes on where it stopped."
            ) from error
        raise


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of all commands."""
    top = argparse.ArgumentParser(prog="galaxy-zoo-decals", description=__doc__)
    add_version(top)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    command.add_to(commands)

    info = commands.add_parser("info", help="list the editions, or describe one")
    info.add_argument("edition", nargs="?", help="a name or a folder (default: list all editions)")
    info.add_argument("--json", action="store_true", help="print edition.json")
    info.set_defaults(run=_info)

    use = commands.add_parser("use", help='choose the edition that load_dataset("galaxy_zoo_decals") loads')
    use.add_argument("edition", help="a name or a folder")
    use.set_defaults(run=_use)

    check = commands.add_parser("check", help="check an edition: hashes, counts, splits, labels, images")
    check.add_argument("edition", nargs="?", help="a name or a folder (default: the one in use)")
    check.add_argument("--json", type=Path, metavar="FILE", help="also write the findings to this file")
    check.add_argument("--processes", type=positive, default=os.cpu_count() or 1, metavar="N")
    check.set_defaults(run=_check)

    upgrade = commands.add_parser("upgrade", help="add the columns of today to an older edition, from its own files")
    upgrade.add_argument("edition", help="a name or a folder")
    upgrade.set_defaults(run=_upgrade)

    doctor = commands.add_parser("doctor", help="test which sources of galaxies answer, how fast, and which to use")
    doctor.add_argument("--record", metavar="URL", help="API of the Zenodo record on another server")
    doctor.add_argument("--json", type=Path, metavar="FILE", help="also write the findings to this file")
    doctor.set_defaults(run=_doctor)

    push = commands.add_parser("push", help="upload an edition to the Hugging Face Hub, private unless --public")
    push.add_argument("edition", help="a name or a folder")
    push.add_argument("repo", metavar="REPO", help="dataset repository, such as user/galaxy_zoo_decals")
    push.add_argument("--public", action="store_true", help="make the dataset public")
    push.add_argument("--dry-run", action="store_true", help="show what would be sent, and send nothing")
    push.add_argument(
        "--processes", type=positive, default=os.cpu_count() or 1, metavar="N", help="for the check before sending"
    )
    push.set_defaults(run=_push)

    show = commands.add_parser("show", help="draw a contact sheet: galaxies of each class with their votes")
    show.add_argument("edition", nargs="?", help="a name or a folder (default: the one in use)")
    show.add_argument("--out", type=Path, default=Path("contact-sheet.png"), metavar="PNG", help="image to write")
    show.add_argument("--split", default="test", help="split to draw from (default: test)")
    show.set_defaults(run=_show)

    score = commands.add_parser("score", help="score a prediction file")
    score.add_argument("edition", help="a name or a folder")
    score.add_argument(
        "predictions", type=file, metavar="FILE",
        help="a prediction file as in docs/predictions.md, or a table (CSV, Parquet, FITS) with its columns",
    )  # fmt: skip
    score.add_argument(
        "--ceiling", action="store_true", help="also print the skill against the noise ceiling (a minute)"
    )
    score.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    score.set_defaults(run=_score)

    ceiling = commands.add_parser("ceiling", help="the noise ceilings: scores of an oracle against noisy votes")
    ceiling.add_argument("edition", nargs="?", help="a name or a folder (default: the one in use)")
    ceiling.add_argument("--draws", type=positive, default=60, metavar="N", help="volunteer samples to draw (60)")
    ceiling.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to this file")
    ceiling.set_defaults(run=_ceiling)
    return top


def _info(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.edition import Edition, available, expanded, in_use, is_edition

    if options.edition is None:
        chosen = in_use()
        for name, path in available().items():
            mark = "*" if name == chosen else " "
            try:
                edition = Edition(path)
                print(f"{mark} {name:<12} {edition.galaxies:>9,} galaxies  {edition.title}")
            except UserError as error:
                print(f"{mark} {name:<12} cannot be read: {error}")
        if chosen not in available():
            print(f"* {chosen}{'' if is_edition(expanded(chosen)) else ' (not found)'}")
        print("\n* in use. Others are made by `galaxy-zoo-decals prepare` and chosen by `galaxy-zoo-decals use`.")
        return
    edition = Edition.open(options.edition)
    if options.json:
        print(json.dumps(edition.facts, indent=1))
        return
    counts = edition.facts["counts"]
    print(f"{edition.title}\n{edition.path}\ntree {edition.tree.name}, content {edition.content_hash[:16]}")
    print(f"pictures {edition.terms.pictures}{_revision(edition.facts['source'])}, licence {edition.terms.licence}")
    print(f"credit {edition.terms.credit}\n")
    description = edition.facts["source"].get("description", "")  # type: ignore[attr-defined]
    print(textwrap.fill(str(description), 100), end="\n\n" if description else "")
    if isinstance(counts, dict):
        columns = list(next(iter(counts.values())))
        print(f"{'':<12}" + "".join(f"{column:>13}" for column in columns))
        for split, numbers in counts.items():
            print(f"{split:<12}" + "".join(f"{numbers[column]:>13,}" for column in columns))


def _revision(source: object) -> str:
    """Return which revision of a dataset of the Hub an edition's images are of, if they are."""
    images = source.get("images") if isinstance(source, dict) else None
    return f" at revision {images['revision']}" if isinstance(images, dict) and "revision" in images else ""


def _use(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.edition import use

    path = use(options.edition)
    print(f'load_dataset("galaxy_zoo_decals") now means {path}')


def _check(options: argparse.Namespace) -> int:
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.prepare.audit import check, report

    _check_parent(options.json)
    edition = Edition.open(options.edition)
    findings = check(edition, options.processes)
    print(report(edition, findings))
    if options.json:
        _write_json(options.json, [asdict(finding) for finding in findings])
    return 0 if all(finding.holds for finding in findings) else 1


def _upgrade(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.prepare.builder import FORMAT
    from galaxy_zoo_decals.prepare.upgrade import upgrade

    edition = Edition.open(options.edition)
    if edition.facts.get("version") == FORMAT:
        print(f"{edition.path} has today's format, {FORMAT}; nothing is to be done.")
        return
    upgrade(edition.path)
    print(f"{edition.path} has format {FORMAT} now. Galaxies, splits, votes and images are the same.")


def _doctor(options: argparse.Namespace) -> int:
    from huggingface_hub import constants, get_token

    from galaxy_zoo_decals import addresses
    from galaxy_zoo_decals.doctor.examination import examine
    from galaxy_zoo_decals.doctor.report import report, to_json
    from galaxy_zoo_decals.edition import home

    _check_parent(options.json)
    record = options.record or addresses.ZENODO
    found = examine(record, constants.ENDPOINT, home(), get_token(), constants.HF_HUB_OFFLINE)
    print(report(found))
    if options.json:
        _write_json(options.json, to_json(found))
    return 0 if found.well else 1


def _push(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.prepare.audit import check, report
    from galaxy_zoo_decals.prepare.publish import PublishError, plan, push

    edition = Edition.open(options.edition)
    planned = plan(edition, options.repo, private=not options.public)
    print(planned)
    if options.dry_run:
        print("\nNothing was sent.")
        return
    findings = check(edition, options.processes)
    if not all(finding.holds for finding in findings):
        print(report(edition, findings))
        raise PublishError("the edition does not pass its check (above); nothing was sent. Prepare it again.")
    address, refused = push(planned)
    if refused:
        print(f"The Hub did not take eval.yaml ({refused}); benchmarks are registered there. All else is in place.")
    print(f'{address}\nLoad it: datasets.load_dataset("{options.repo}", "hierarchical")')


def _show(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.contact_sheet import contact_sheet
    from galaxy_zoo_decals.edition import Edition

    _check_parent(options.out)
    if options.out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"{options.out}: a contact sheet is a .png or a .jpg.")
    edition = Edition.open(options.edition)
    contact_sheet(edition, options.split).save(options.out)
    print(options.out)


def _score(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.prediction_tables import read_for
    from galaxy_zoo_decals.scoring import Truth, score

    _check_parent(options.json)
    edition = Edition.open(options.edition)
    truth = Truth.of(edition)
    if options.ceiling:
        from galaxy_zoo_decals.scoring import ceilings

        ceilings.require_volunteers(truth)  # before the minutes that scores take
    results = score(truth, read_for(options.predictions, truth), str(options.predictions))
    content = {k: r.to_json() for k, r in results.items()}
    print("\n\n".join(result.report() for result in results.values()))
    _name_unanswered(truth)
    if options.ceiling:
        found = ceilings.of_edition(edition)
        print("\nSkill: 0 is the class prior, 1 the noise ceiling of these votes")
        for board, e in ceilings.skills(results, truth, found).items():
            print(f"   {results[board].primary_title:<28} {e.text('.3f')}")
            content[board]["skill"] = {"value": e.value, "low": e.low, "high": e.high}
    if options.json:
        _write_json(options.json, content)


def _name_unanswered(truth: Truth) -> None:
    """Say which questions nobody was asked: what needs them is not measured."""
    if truth.unanswered:
        print(f"\nNo scored test galaxy has votes for {', '.join(truth.unanswered)}.")


def _ceiling(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.scoring import Truth, ceilings

    _check_parent(options.json)
    edition = Edition.open(options.edition)
    found = ceilings.of_edition(edition, options.draws)
    print(ceilings.report(edition, found))
    _name_unanswered(Truth.of(edition))
    if options.json:
        _write_json(options.json, ceilings.to_json(found))


def _check_parent(path: Path | None) -> None:
    """Raise UserError before any work if there is no folder for the result."""
    if path is not None and not path.absolute().parent.is_dir():
        raise UserError(f"{path.absolute().parent}: there is no such folder to write {path.name} to.")


def _write_json(path: Path, content: object) -> None:
    from galaxy_zoo_decals import atomic

    atomic.write_text(path, json.dumps(content, indent=1) + "\n")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


if __name__ == "__main__":
    sys.exit(main())
