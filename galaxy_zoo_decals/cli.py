"""The command galaxy-zoo-decals: prepare, choose, look at and score editions."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from galaxy_zoo_decals.errors import FULL, UserError, failure
from galaxy_zoo_decals.workers import one_thread_of_blas

# Everything else is imported where it is used: --help and a wrong argument answer at once.
if TYPE_CHECKING:
    from galaxy_zoo_decals.cleaning import Rules
    from galaxy_zoo_decals.sources import Source


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0, 1 on a user's error, 2 on wrong arguments, 130 if interrupted)."""
    options = parser().parse_args(arguments)
    one_thread_of_blas()
    try:
        return int(options.run(options) or 0)
    except UserError as error:
        print(f"galaxy-zoo-decals: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\ngalaxy-zoo-decals: interrupted. The same command goes on where it stopped.", file=sys.stderr)
        return 130
    except Exception as error:
        full = next((e for e in _causes(error) if isinstance(e, OSError) and e.errno in FULL), None)
        known = next((e for e in _causes(error) if isinstance(e, UserError)), None)
        if full is None and known is None:
            if not isinstance(error, OSError):
                raise
            known = UserError(failure(error))
        words = known or (
            f"no space is left on the disk ({full}). Nothing that stood before was changed; make room and run the "
            "same command again: it goes on where it stopped."
        )
        print(f"galaxy-zoo-decals: {words}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """Return the argument parser of all commands."""
    top = argparse.ArgumentParser(prog="galaxy-zoo-decals", description=__doc__)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    prepare = commands.add_parser("prepare", help="make an edition from a source")
    sources = prepare.add_subparsers(title="sources", required=True, metavar="SOURCE", dest="source_name")
    gzd5 = sources.add_parser(
        "gzd5", help="Galaxy Zoo DECaLS 5: 253,286 galaxies; 104 GB from Zenodo, or 0.2 GB with --images hub-tiny",
        description="Downloads the votes and the four archives of images one after the other, converts each as it "
        "comes, and goes on where it stopped when it is started again. With --galaxies N it reads N galaxies out of "
        "the archives on the server instead: 2,000 galaxies are about 0.8 GB.",
    )  # fmt: skip
    gzd5.add_argument(
        "--source", type=Path, metavar="DIR", help="the files are there already: zips, or images in folders"
    )
    gzd5.add_argument("--downloads", type=Path, metavar="DIR", help="where downloaded files go (default: the cache)")
    gzd5.add_argument("--parts", type=_parts, default=(1, 2, 3, 4), metavar="1,2", help="archives to use (all four)")
    gzd5.add_argument(
        "--images", choices=("zenodo", "hub", "hub-tiny"), default="zenodo",
        help="where images come from: Zenodo's PNGs (default), the JPEGs of mwalmsley/gz_desi on the Hugging Face Hub "
        "(17.5 GB), or a small part of these (0.2 GB, minutes)",
    )  # fmt: skip
    gzd5.add_argument(
        "--shards", type=_between(1, 10_000), metavar="N", help="with --images hub: N of its shards (0.5 GB each)"
    )
    gzd5.add_argument(
        "--galaxies", type=_between(30, 1_000_000), metavar="N",
        help="a part of the survey: N galaxies (30 or more) in runs of neighbours spread over the archives, about "
        "0.4 MB each",
    )  # fmt: skip
    gzd5.add_argument(
        "--seed", type=_seed, metavar="S", help="which galaxies (0); a smaller N is a part of a larger one"
    )
    gzd5.add_argument("--delete-archives", action="store_true", help="remove what was downloaded once it is converted")
    gzd5.add_argument("--catalogue-only", action="store_true", help="fetch and check the votes, report, and stop")
    gzd5.add_argument("--again", action="store_true", help="make the edition anew though it is there")
    gzd5.add_argument("--record", default=None, metavar="URL", help="the record's API on another server")
    gz2 = sources.add_parser("gz2", help="the Kaggle Galaxy Zoo Challenge (SDSS images, real votes)")
    gz2.add_argument(
        "--source", type=Path, required=True, metavar="DIR",
        help="folder with training_solutions_rev1 and images_training_rev1, unpacked or zips; or Kaggle's one zip",
    )  # fmt: skip
    gz2.add_argument(
        "--only", type=Path, metavar="FILE",
        help="GalaxyIDs to take, one a line (all); the benchmark's: leaderboard/benchmark/v1/gz2-galaxies.txt",
    )  # fmt: skip
    simulated = sources.add_parser("simulated", help="simulated galaxies and volunteers, the truth known")
    simulated.add_argument("--galaxies", type=_positive, default=20_000, metavar="N", help="default 20,000")
    simulated.add_argument("--seed", type=_seed, default=0, metavar="S", help="default 0")
    catalogue = sources.add_parser("catalogue", help="a table of your own with GZD-5 columns, and its images")
    catalogue.add_argument("--votes", type=Path, required=True, metavar="FILE", help="CSV or Parquet")
    catalogue.add_argument("--images", type=Path, required=True, metavar="DIR", help="<iauname>.png or .jpg")
    catalogue.add_argument(
        "--licence", type=_licence, default="other", metavar="SPDX",
        help="licence of table and images, such as CC-BY-4.0; without one that allows it nothing is passed on",
    )  # fmt: skip
    for source in (gzd5, gz2, simulated, catalogue):
        default = source.prog.rsplit(" ", 1)[-1]
        shown = "gzd5; a part or images of the Hub: gzd5-N, gzd5-hub, gzd5-tiny" if source is gzd5 else default
        source.add_argument("--out", type=Path, metavar="DIR", help="default: the folder of named editions")
        source.add_argument(
            "--name",
            type=_name,
            default=None if source is gzd5 else default,
            help=f"the edition's name (default {shown})",
        )
        source.add_argument("--size", type=_between(8, 1024), metavar="PX", help="side of the images (224)")
        source.add_argument("--quality", type=_between(1, 95), default=90, metavar="Q", help="JPEG quality (90)")
        source.add_argument(
            "--cleaning", choices=("default", "paper"), default="default",
            help="paper: as the student work (more than 5 votes, debiased labels, rows with NaN dropped)",
        )  # fmt: skip
        source.add_argument("--min-votes", type=_between(0, 1000), metavar="N", help="first-question votes (3)")
        source.add_argument("--keep-wrong-size", action="store_true", help="keep galaxies with a wrong field of view")
        source.add_argument("--processes", type=_positive, default=os.cpu_count() or 1, metavar="N")
        source.set_defaults(run=_prepare, keep_original=False)
    for source in (gzd5, gz2, catalogue):
        source.add_argument(
            "--keep-original", action="store_true",
            help="keep the image files as they are, 424 pixels a side unless --size says otherwise",
        )  # fmt: skip

    info = commands.add_parser("info", help="which editions there are, which is in use, what is in one")
    info.add_argument("edition", nargs="?", help="a name or a folder; without it, all editions")
    info.add_argument("--json", action="store_true", help="print edition.json")
    info.set_defaults(run=_info)

    use = commands.add_parser("use", help="choose the edition that the bare name means")
    use.add_argument("edition", help="a name or a folder")
    use.set_defaults(run=_use)

    check = commands.add_parser("check", help="look an edition over again: hashes, counts, splits, labels, images")
    check.add_argument("edition", nargs="?", help="a name or a folder (default: the one in use)")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the findings there too")
    check.add_argument("--processes", type=_positive, default=os.cpu_count() or 1, metavar="N")
    check.set_defaults(run=_check)

    doctor = commands.add_parser("doctor", help="what can be reached now, how fast, and which way in to take")
    doctor.add_argument("--record", metavar="URL", help="the record's API on another server")
    doctor.add_argument("--json", type=Path, metavar="FILE", help="write the findings there too")
    doctor.set_defaults(run=_doctor)

    push = commands.add_parser("push", help="publish an edition on the Hugging Face Hub, privately unless --public")
    push.add_argument("edition", help="a name or a folder")
    push.add_argument("repo", metavar="REPO", help="as in user/galaxy_zoo_decals")
    push.add_argument("--public", action="store_true", help="let everyone see it")
    push.add_argument("--dry-run", action="store_true", help="show what would go, and send nothing")
    push.add_argument(
        "--processes", type=_positive, default=os.cpu_count() or 1, metavar="N", help="of the check before"
    )
    push.set_defaults(run=_push)

    show = commands.add_parser("show", help="a contact sheet of an edition: galaxies of each class with their votes")
    show.add_argument("edition", nargs="?", help="a name or a folder (default: the one in use)")
    show.add_argument("--out", type=Path, default=Path("contact-sheet.png"), metavar="PNG")
    show.add_argument("--split", default="test")
    show.set_defaults(run=_show)

    score = commands.add_parser("score", help="score a prediction file")
    score.add_argument("edition", help="a name or a folder")
    score.add_argument("predictions", type=Path, help="a Parquet file as described in docs/predictions.md")
    score.add_argument("--ceiling", action="store_true", help="the skill against the noise ceiling too (a minute)")
    score.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    score.set_defaults(run=_score)

    ceiling = commands.add_parser("ceiling", help="the noise ceilings: the best scores that noisy labels allow")
    ceiling.add_argument("edition", nargs="?", help="a name or a folder (default: the one in use)")
    ceiling.add_argument("--draws", type=_positive, default=60, metavar="N", help="panels of volunteers drawn (60)")
    ceiling.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    ceiling.set_defaults(run=_ceiling)
    return top


def _prepare(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.builder import build, check_target, is_made, settle
    from galaxy_zoo_decals.cleaning import PRESETS
    from galaxy_zoo_decals.edition import NAMES, default_path

    if options.source_name == "gzd5":
        _check_images(options)
        _check_part(options)
        mine = _name_of_gzd5(options)
        options.name = options.name or mine
    else:
        mine = ""
    out = (options.out or default_path(options.name)).expanduser().absolute()
    own: tuple[str, ...] = {"simulated": ("simulated", "sample")}.get(options.source_name, (options.source_name,))
    if options.source_name == "gzd5" and options.images != "zenodo":
        own = ()  # the bare name is that of Zenodo's images
    if options.name in NAMES and options.name not in own:
        raise UserError(f"the name {options.name!r} belongs to another source; give the edition one of its own.")
    if _meant(options.name) not in ("", mine):
        raise UserError(
            f"the name {options.name!r} means another edition, {_meant(options.name)}; give this one a name of its own"
            + (f", such as {mine}." if mine else ".")
        )
    rules = PRESETS[options.cleaning]
    if rules.debiased and options.source_name in ("gz2", "simulated"):
        raise UserError(f"--cleaning paper needs debiased fractions, and {options.source_name} has none.")
    if options.min_votes is not None:
        rules = replace(rules, min_votes=options.min_votes)
    if options.keep_wrong_size:
        rules = replace(rules, keep_wrong_size=True)
    size = options.size or (424 if options.keep_original else 224)
    source = _source(options, size, rules.debiased)
    if options.source_name == "gzd5" and options.catalogue_only:
        _report_catalogue(source, rules)
        return
    settle(out)
    check_target(out)
    from_hub = options.source_name == "gzd5" and options.images != "zenodo"
    if options.source_name == "gzd5":
        _keep_another_edition(source, out)
    form = {"size": size, "quality": options.quality, "original": options.keep_original}
    # 104 GB are not downloaded again because someone is not sure whether the command has run.
    if options.source_name == "gzd5" and not options.again and is_made(
        source, out, name=options.name, rules=rules, **form
    ):  # fmt: skip
        print(f"The edition {options.name} is there already: {out}\n--again makes it anew.")
        return
    if from_hub:
        source.look()  # type: ignore[attr-defined]
    report = build(source, out, name=options.name, rules=rules, processes=options.processes, **form)
    print(report)
    if not report.scored:
        print(
            "\nNo test galaxy is scored, so nothing can be measured on this edition: no galaxy of the test split has "
            "34 first-question votes, a field of view of the right size, and random_selection (or, without "
            "that column, upload_group pre_active)."
        )
    print(f"\nThe edition {options.name} is ready: {out}")
    print(f'Load it: datasets.load_dataset("{out}", "multilabel")')


def _check_part(options: argparse.Namespace) -> None:
    """Raise UserError where a part of the survey is asked for together with what it cannot be."""
    if options.galaxies is None:
        if options.seed is not None:
            raise UserError("--seed chooses the galaxies of --galaxies N; the whole survey needs none.")
        return
    if options.source is not None:
        raise UserError("--galaxies is read from the server; --source is for files that are there. Give one of them.")
    if options.parts != (1, 2, 3, 4):
        raise UserError("--galaxies takes some galaxies of all four archives, and --parts whole archives. Give one.")
    if options.catalogue_only:
        raise UserError("--catalogue-only reports on the votes of the whole survey: leave --galaxies away.")
    options.seed = options.seed or 0


def _source(options: argparse.Namespace, size: int, debiased: bool) -> Source:
    if options.source_name == "gzd5":
        from galaxy_zoo_decals.edition import home
        from galaxy_zoo_decals.sources.zenodo import RECORD, Downloaded, OnDisk, SurveyPart

        given = (options.parts, debiased, options.delete_archives)
        downloads = home() / "downloads" / "zenodo-4573248"
        if options.source is not None:
            if options.downloads is not None or options.record is not None:
                raise UserError("--source is for files that are there; --downloads and --record are for downloads.")
            return OnDisk(*given, folder=options.source.expanduser(), downloads=downloads)
        folder = (options.downloads or downloads).expanduser()
        record = options.record or RECORD
        if options.images != "zenodo":
            from galaxy_zoo_decals.sources.hub import CONFIGS, FromHub

            some = {"hub-tiny": " (tiny)"}.get(options.images, f" ({options.shards} shards)" if options.shards else "")
            return FromHub(
                *given, folder=folder, record=record, title=FromHub.title + some,
                images_folder=folder / "gz_desi", config=CONFIGS[options.images], shards=options.shards,
                anew=options.again,
            )  # fmt: skip
        if options.galaxies is not None:
            title = f"Galaxy Zoo DECaLS 5, up to {options.galaxies:,} galaxies"
            part = {"galaxies": options.galaxies, "seed": options.seed, "title": title}
            return SurveyPart(*given, folder=folder, record=record, **part)
        return Downloaded(*given, folder=folder, record=record)
    if options.source_name == "gz2":
        from galaxy_zoo_decals.sources.gz2 import GZ2Challenge, read_list

        only = read_list(options.only.expanduser()) if options.only else ()
        return GZ2Challenge(options.source.expanduser(), only=only)
    if options.source_name == "simulated":
        from galaxy_zoo_decals.sources.simulated import Simulated

        # Beside the embedded sample, whose title has no number, boards and plots have to tell the others apart.
        title = Simulated.title if options.name == "sample" else f"{options.galaxies:,} simulated DECaLS galaxies"
        return Simulated(options.galaxies, options.seed, size=size, quality=options.quality, title=title)
    from galaxy_zoo_decals.sources.folder import Folder

    return Folder(options.votes.expanduser(), options.images.expanduser(), debiased, licence=options.licence)


def _check_images(options: argparse.Namespace) -> None:
    """Raise UserError for options of Zenodo's archives beside images of the Hub, and the other way round."""
    if options.shards is not None and options.images != "hub":
        raise UserError("--shards says how much of the Hub's images to take; it goes with --images hub.")
    if options.images == "zenodo":
        return
    given = {
        "--source": options.source is not None,
        "--parts": options.parts != (1, 2, 3, 4),
        "--galaxies": options.galaxies is not None,
    }
    for option in (name for name, there in given.items() if there):
        raise UserError(f"{option} is about the archives of Zenodo; --images {options.images} takes no image of them.")


def _name_of_gzd5(options: argparse.Namespace) -> str:
    """Return what an edition of gzd5 is called unless --name says it: a part never takes the whole survey's name."""
    if options.images == "hub-tiny":
        return "gzd5-tiny"
    if options.images == "hub":
        return f"gzd5-hub-{options.shards}" if options.shards else "gzd5-hub"
    if options.galaxies is not None:
        return f"gzd5-{options.galaxies}" + (f"-seed{options.seed}" if options.seed else "")
    return "gzd5"


def _meant(name: str) -> str:
    """Return which edition of gzd5 a name stands for, as ``_name_of_gzd5`` names them; "" if none: gzd5-mine."""
    import re

    found = re.match(r"gzd5(?:-(?:tiny|hub(?:-[0-9]+)?|[0-9]+(?:-seed[0-9]+)?)(?![a-z0-9_])|$)", name)
    return found[0] if found else ""


def _keep_another_edition(source: Source, out: Path) -> None:
    """Raise UserError if ``out`` holds another edition of the survey: other pictures or another part of it."""
    from galaxy_zoo_decals.edition import Edition, EditionError, is_edition

    if not is_edition(out):
        return
    try:
        edition = Edition(out)
        said, pictures = edition.facts["source"], edition.terms.pictures
    except EditionError:  # of an older version of the package: it is made anew
        return
    same = pictures == source.pictures
    if same:  # else nobody has to be asked what this one would hold
        mine = source.describe()
        same = all(said.get(key) == mine.get(key) for key in ("kind", "galaxies", "seed"))  # type: ignore[attr-defined]
    if not same:
        raise UserError(
            f"{out} holds the edition {edition.name} ({_galaxies(edition):,} galaxies, {pictures}), which this one "
            "would replace. Choose another --name or --out, or remove that folder."
        )


def _report_catalogue(source: Source, rules: Rules) -> None:
    from galaxy_zoo_decals.builder import survey_catalogue
    from galaxy_zoo_decals.splits import MIN_CLASSIFIED

    report = survey_catalogue(source, rules)
    print(report)
    classified = report.boards["test"]["with a class"]
    if classified < MIN_CLASSIFIED:
        print(
            f"   Fewer than {MIN_CLASSIFIED} scored test galaxies have a class ({classified:,}): the benchmark would "
            "freeze no board of four classes of this catalogue."
        )
    print(f"\nThe votes are here: {source.table}")  # type: ignore[attr-defined]


def _info(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.edition import Edition, available, in_use, is_edition

    if options.edition is None:
        chosen = in_use()
        for name, path in available().items():
            mark = "*" if name == chosen else " "
            try:
                edition = Edition(path)
                print(f"{mark} {name:<12} {_galaxies(edition):>9,} galaxies  {edition.title}")
            except UserError as error:
                print(f"{mark} {name:<12} cannot be read: {error}")
        if chosen not in available():
            print(f"* {chosen}{'' if is_edition(Path(chosen).expanduser()) else ' (not found)'}")
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


def _galaxies(edition: object) -> int:
    return sum(split["galaxies"] for split in edition.facts["counts"].values())  # type: ignore[attr-defined]


def _use(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.edition import use

    path = use(options.edition)
    print(f'load_dataset("galaxy_zoo_decals") now means {path}')


def _check(options: argparse.Namespace) -> int:
    from galaxy_zoo_decals.check import check, report
    from galaxy_zoo_decals.edition import Edition

    _check_parent(options.json)
    edition = Edition.open(options.edition)
    findings = check(edition, options.processes)
    print(report(edition, findings))
    if options.json:
        _write_json(options.json, [asdict(finding) for finding in findings])
    return 0 if all(finding.holds for finding in findings) else 1


def _doctor(options: argparse.Namespace) -> int:
    from huggingface_hub import constants, get_token

    from galaxy_zoo_decals import addresses
    from galaxy_zoo_decals.doctor import examine, report, to_json
    from galaxy_zoo_decals.edition import home

    _check_parent(options.json)
    record = options.record or addresses.ZENODO
    found = examine(record, constants.ENDPOINT, home(), get_token(), constants.HF_HUB_OFFLINE)
    print(report(found))
    if options.json:
        _write_json(options.json, to_json(found))
    return 0 if found.well else 1


def _push(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.check import check, report
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.publish import PublishError, plan, push

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
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.sheet import contact_sheet

    _check_parent(options.out)
    if options.out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"{options.out}: a contact sheet is a .png or a .jpg.")
    edition = Edition.open(options.edition)
    contact_sheet(edition, options.split).save(options.out)
    print(options.out)


def _score(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals import predictions
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.scoring import Truth, score

    _check_parent(options.json)
    edition = Edition.open(options.edition)
    truth = Truth.of(edition)
    results = score(truth, predictions.read(options.predictions, truth.tree), str(options.predictions))
    content = {k: r.to_json() for k, r in results.items()}
    print("\n\n".join(result.report() for result in results.values()))
    if options.ceiling:
        from galaxy_zoo_decals.scoring import ceilings

        found = ceilings.of_edition(edition)
        print("\nSkill: 0 is the class prior, 1 the noise ceiling of these votes")
        for board, e in ceilings.skills(results, truth, found).items():
            print(f"   {results[board].primary_title:<28} {e.value:>8.3f}   [{e.low:.3f}, {e.high:.3f}]")
            content[board]["skill"] = {"value": e.value, "low": e.low, "high": e.high}
    if options.json:
        _write_json(options.json, content)


def _ceiling(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.scoring import ceilings

    _check_parent(options.json)
    edition = Edition.open(options.edition)
    found = ceilings.of_edition(edition, options.draws)
    print(ceilings.report(edition, found))
    if options.json:
        _write_json(options.json, ceilings.to_json(found))


def _check_parent(path: Path | None) -> None:
    """Raise UserError before any work if there is no folder for the result."""
    if path is not None and not path.absolute().parent.is_dir():
        raise UserError(f"{path.absolute().parent}: there is no such folder to write {path.name} to.")


def _write_json(path: Path, content: object) -> None:
    beside = path.with_name(path.name + ".partial")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    beside.replace(path)


def _name(text: str) -> str:
    from galaxy_zoo_decals.edition import NAME

    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: a name is made of a-z, 0-9, - and _, at most 64 of them")
    return text


def _licence(text: str) -> str:
    import re

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no SPDX name of a licence, such as CC-BY-4.0")
    return text


def _between(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text[:40]} is not between {low:,} and {high:,}")
        return value

    return number


def _seed(text: str) -> int:
    return _between(0, 2**32 - 1)(text)


def _parts(text: str) -> tuple[int, ...]:
    numbers = sorted({int(number) for number in text.split(",")})
    if not numbers or not set(numbers) <= {1, 2, 3, 4}:
        raise argparse.ArgumentTypeError(f"{text!r}: the archives are numbered 1 to 4, as in 1,2")
    return tuple(numbers)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


if __name__ == "__main__":
    sys.exit(main())
