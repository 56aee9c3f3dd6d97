"""The command galaxy-zoo-decals prepare: its arguments, which source they mean, what the edition is called."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from galaxy_zoo_decals import old_words
from galaxy_zoo_decals.argument_types import archive_numbers, between, edition_name, file, licence, positive, seed
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.prepare import chosen_source

# Everything else is imported where it is used: --help and a wrong argument answer at once.
if TYPE_CHECKING:
    from galaxy_zoo_decals.prepare.cleaning import Rules
    from galaxy_zoo_decals.sources import Source


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser to those of all commands."""
    prepare = commands.add_parser("prepare", help="make an edition from a source")
    sources = prepare.add_subparsers(title="sources", required=True, metavar="SOURCE", dest="source_name")
    gzd5 = sources.add_parser(
        "gzd5", help="Galaxy Zoo DECaLS 5: 253,286 galaxies; 104 GB from Zenodo, or 0.2 GB with --images hub-tiny",
        description="Downloads the votes and the four archives of images one after the other, and converts each. If it "
        "is interrupted, the same command continues. With --galaxies N it reads only N galaxies from the archives on "
        "the server: 2,000 galaxies are about 0.8 GB.",
    )  # fmt: skip
    gzd5.add_argument(
        "--source", type=Path, metavar="DIR", help="folder with files that you have: zips, or images in folders"
    )
    gzd5.add_argument(
        "--parts", type=archive_numbers, default=(1, 2, 3, 4), metavar="1,2", help="archives to use (default: all four)"
    )
    gzd5.add_argument(
        "--images", choices=("zenodo", "hub", "hub-tiny"), default="zenodo",
        help="source of the images: Zenodo's PNGs (default), the JPEGs of mwalmsley/gz_desi on the Hugging Face Hub "
        "(17.5 GB), or a small part of these (0.2 GB, minutes)",
    )  # fmt: skip
    galaxyzoo2 = sources.add_parser(
        "galaxyzoo2", help="Galaxy Zoo 2: 239,695 SDSS galaxies, the counts of every answer; 3.5 GB, or a part of it",
        description="Real galaxies with counted votes: the raw counts of Hart et al. 2016 and the pictures that "
        "volunteers saw (JPEG, 424 pixels). Downloads the table, the mapping and the archive of images one after the "
        "other. If it is interrupted, the same command continues. With --galaxies N it reads only N images from the "
        "archive on the server.",
    )  # fmt: skip
    galaxyzoo2.add_argument(
        "--source", type=Path, metavar="DIR",
        help="folder with files that you have: gz2_hart16.csv or .csv.gz, gz2_filename_mapping.csv, and images_gz2.zip "
        "or images/",
    )  # fmt: skip
    galaxyzoo2.add_argument(
        "--debiased", action="store_true", help="also keep the debiased and weighted fractions as columns"
    )
    galaxyzoo2.add_argument(
        "--images", choices=("zenodo", "hub", "hub-tiny"), default="zenodo",
        help="source of the images: Zenodo's archive (default, 3.4 GB), mwalmsley/gz2 on the Hugging Face Hub "
        "(2.6 GB), or a small part of it (26 MB, some 1,900 galaxies)",
    )  # fmt: skip
    galaxyzoo2.add_argument("--table", metavar="URL", help="address of the table of votes on another server")
    for survey in (gzd5, galaxyzoo2):
        survey.add_argument(
            "--downloads", type=Path, metavar="DIR", help="folder for downloaded files (default: the cache)"
        )
        survey.add_argument(
            "--shards", type=between(1, 10_000), metavar="N", help="with --images hub: N of its shards (0.5 GB each)"
        )
        survey.add_argument(
            "--galaxies", type=between(30, 1_000_000), metavar="N",
            help="only N galaxies of the survey (30 or more), in runs of neighbours spread over the archives, about "
            f"{'0.4 MB' if survey is gzd5 else '15 kB'} per galaxy",
        )  # fmt: skip
        survey.add_argument(
            "--seed",
            type=seed,
            metavar="S",
            help="seed that chooses the N galaxies (0); a smaller N is a part of a larger N",
        )
        survey.add_argument(
            "--delete-archives", action="store_true", help="delete downloaded images once they are converted"
        )
        survey.add_argument(
            "--catalogue-only", action="store_true", help="download and check only the votes, and report"
        )
        survey.add_argument("--again", action="store_true", help="make the edition again, even if it is there")
        survey.add_argument("--record", default=None, metavar="URL", help="API of the Zenodo record on another server")
    gz2 = sources.add_parser("gz2", help="the Kaggle Galaxy Challenge (SDSS images, debiased likelihoods)")
    gz2.add_argument(
        "--source", type=Path, required=True, metavar="DIR",
        help="folder with training_solutions_rev1 and images_training_rev1, unpacked or zips; or the table itself, "
        "with the images beside it; or Kaggle's single zip",
    )  # fmt: skip
    gz2.add_argument(
        "--only", type=file, metavar="FILE",
        help="list of GalaxyIDs, one per line (all); the benchmark's: leaderboard/benchmark/v1/gz2-galaxies.txt",
    )  # fmt: skip
    simulated = sources.add_parser("simulated", help="simulated galaxies and volunteers, with known truth")
    simulated.add_argument("--galaxies", type=positive, default=20_000, metavar="N", help="number of galaxies (20,000)")
    simulated.add_argument("--seed", type=seed, default=0, metavar="S", help="seed of the simulation (0)")
    catalogue = sources.add_parser("catalogue", help="your own table with GZD-5 columns, and its images")
    catalogue.add_argument(
        "--votes", type=file, required=True, metavar="FILE", help="table of votes: CSV, Parquet, FITS, VOTable"
    )
    catalogue.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with <iauname>.png, .jpg, .webp, .tif or .fits",
    )
    catalogue.add_argument(
        "--licence", type=licence, default="other", metavar="SPDX",
        help="licence of table and images, such as CC-BY-4.0; without one that allows it, nothing is redistributed",
    )  # fmt: skip
    one = catalogue.add_mutually_exclusive_group()
    one.add_argument(
        "--split-column", metavar="NAME",
        help="column of the table with your own split: train, validation or test (default: by the place in the sky)",
    )  # fmt: skip
    for group in (one, gz2):
        group.add_argument(
            "--only-test", action="store_true",
            help="all galaxies are test galaxies, to judge models on; no model can be trained on this edition",
        )  # fmt: skip
    for source in (gzd5, galaxyzoo2, gz2, simulated, catalogue):
        default = source.prog.rsplit(" ", 1)[-1]
        shown = default
        if default in chosen_source.SURVEYS:
            shown += f"; for a part or images of the Hub: {default}-N, {default}-hub, {default}-tiny"
        source.add_argument("--out", type=Path, metavar="DIR", help="folder (default: in the folder of named editions)")
        source.add_argument(
            "--name",
            type=edition_name,
            default=None if default in chosen_source.SURVEYS else default,
            help=f"name of the edition (default: {shown})",
        )
        source.add_argument("--size", type=between(8, 1024), metavar="PX", help="side of the images in pixels (224)")
        source.add_argument("--quality", type=between(1, 95), metavar="Q", help="JPEG quality (90)")
        source.add_argument(
            "--cleaning", type=_preset, choices=("default", "student"), default="default",
            help="student: the rules of the student work (more than 5 votes, debiased labels, rows with NaN dropped)",
        )  # fmt: skip
        source.add_argument(
            "--min-votes", type=between(0, 1000), metavar="N", help="at least N first-question votes (3)"
        )
        source.add_argument("--keep-wrong-size", action="store_true", help="keep galaxies with a wrong field of view")
        source.add_argument("--processes", type=positive, default=os.cpu_count() or 1, metavar="N")
        source.set_defaults(run=_run, keep_original=False)
    for source in (gzd5, galaxyzoo2, gz2, catalogue):
        source.add_argument(
            "--keep-original", action="store_true",
            help="keep the image files unchanged, 424 pixels per side unless --size says otherwise",
        )  # fmt: skip


def _preset(text: str) -> str:
    """Return the name of a cleaning preset; an old one is noted."""
    for note in old_words.notes(old_words.NAMES, [text]):
        print(f"note: {note}.", file=sys.stderr)
    return old_words.name(text)


def _run(options: argparse.Namespace) -> None:
    from galaxy_zoo_decals.edition import NAMES, default_path, expanded
    from galaxy_zoo_decals.image_files import QUALITY, SIZE
    from galaxy_zoo_decals.prepare.builder import build, is_made
    from galaxy_zoo_decals.prepare.cleaning import PRESETS
    from galaxy_zoo_decals.prepare.placement import check_target, settle
    from galaxy_zoo_decals.prepare.upgrade import OLDER, upgrade

    survey = options.source_name in chosen_source.SURVEYS
    if survey:
        chosen_source.check_images(options)
        chosen_source.check_part(options)
        mine = chosen_source.name_of_survey(options)
        options.name = options.name or mine
    else:
        mine = ""
    out = expanded(options.out or default_path(options.name)).absolute()
    own: tuple[str, ...] = {"simulated": ("simulated", "sample")}.get(options.source_name, (options.source_name,))
    if survey and options.images != "zenodo":
        own = ()  # the bare name is that of Zenodo's images
    if options.name in NAMES and options.name not in own:
        raise UserError(f"the name {options.name!r} belongs to another source; give the edition one of its own.")
    if options.source_name == "gz2" and options.only_test and options.name == "gz2":
        raise UserError(
            "--only-test makes another edition than the gz2 of the benchmark: give it a --name of its own, such as "
            "gz2-mine."
        )
    if chosen_source.meant(options.name) not in ("", mine):
        raise UserError(
            f"the name {options.name!r} means another edition, {chosen_source.meant(options.name)}; give this one a "
            "name of its own" + (f", such as {mine}." if mine else ".")
        )
    rules = PRESETS[options.cleaning]
    if rules.debiased and options.source_name in ("gz2", "simulated"):
        raise UserError(f"--cleaning student needs debiased fractions, and {options.source_name} has none.")
    if rules.debiased and options.source_name == "galaxyzoo2":
        raise UserError(
            "--cleaning student makes labels of debiased fractions, which redshift decides too; labels of galaxyzoo2 "
            "are made of the votes alone. --debiased keeps those fractions as columns."
        )
    if options.min_votes is not None:
        rules = replace(rules, min_votes=options.min_votes)
    if options.keep_wrong_size:
        rules = replace(rules, keep_wrong_size=True)
    size = options.size or (424 if options.keep_original else SIZE)
    options.quality = options.quality or QUALITY
    source = chosen_source.source(options, size, rules.debiased)
    if survey and options.catalogue_only:
        _report_catalogue(source, rules)
        return
    settle(out)
    check_target(out)
    if survey:
        _keep_another_edition(source, out, options.again)
    form = {"size": size, "quality": options.quality, "original": options.keep_original}
    # 104 GB are not downloaded again because someone is not sure whether the command has run.
    if survey and not options.again and is_made(source, out, name=options.name, rules=rules, **form):
        print(f"The edition {options.name} is there already: {out}\n--again makes it anew.")
        return
    if survey and not options.again and is_made(source, out, name=options.name, rules=rules, formats=OLDER, **form):
        upgrade(out)
        print(f"The edition {options.name} was there in an older format. It has today's columns now: {out}")
        return
    if survey and options.images != "zenodo":
        source.look()  # type: ignore[attr-defined]
    report = build(source, out, name=options.name, rules=rules, processes=options.processes, say=print, **form)
    print(report)
    if not report.scored:
        print("\nNo test galaxy is scored, so nothing can be measured on this edition.")
    print(f"\nThe edition {options.name} is ready: {out}")
    view = next(name for name in ("multilabel", *report.views) if report.views[name])
    print(f'Load it: datasets.load_dataset("{out}", "{view}")')


def _keep_another_edition(source: Source, out: Path, again: bool) -> None:
    """Raise UserError if ``out`` holds another edition of the survey: other pictures, votes, or another part of it.

    Other votes may replace it where it is made ``again``: a table may have been corrected.
    """
    from galaxy_zoo_decals.edition import Edition, EditionError, is_edition

    if not is_edition(out):
        return
    try:
        edition = Edition(out)
        said, pictures = edition.facts["source"], edition.terms.pictures
    except EditionError:  # of an older version of the package: it is made anew
        return
    same, more = pictures == source.pictures, ""
    if same:  # else nobody has to be asked what this one would hold
        mine = source.describe()
        same = all(said.get(key) == mine.get(key) for key in ("kind", "galaxies", "seed"))  # type: ignore[attr-defined]
        if same and not again and said.get("table") != mine.get("table"):  # type: ignore[attr-defined]
            same, more = False, " It was made of another table of votes: --again makes it anew of this one."
    if not same:
        raise UserError(
            f"{out} holds the edition {edition.name} ({edition.galaxies:,} galaxies, {pictures}), which this one "
            f"would replace. Choose another --name or --out, or remove that folder.{more}"
        )


def _report_catalogue(source: Source, rules: Rules) -> None:
    from galaxy_zoo_decals.prepare.builder import survey_catalogue
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
