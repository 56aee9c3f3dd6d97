"""Simulated galaxies with simulated volunteers: any number of them, drawn from a seed, with the truth known."""

from __future__ import annotations

import bisect
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from galaxy_zoo_decals import image_files, splits, workers
from galaxy_zoo_decals.atomic import write_parquet
from galaxy_zoo_decals.image_files import ImageError
from galaxy_zoo_decals.schema import GZD5, Tree
from galaxy_zoo_decals.simulation import survey
from galaxy_zoo_decals.simulation.scene import VERSION, Stream, draw_scene, generator, render
from galaxy_zoo_decals.simulation.vote_model import MILLION, answer_probabilities, panel_votes, visible_probabilities
from galaxy_zoo_decals.sources import Part, catalogue

PIECE = 250
"""Galaxies a piece: about ten seconds of work on two cores."""


@dataclass(frozen=True)
class Simulated:
    """``galaxies`` simulated galaxies of a seed; galaxy i is the same whatever their number, order or processes."""

    galaxies: int
    seed: int = 0
    name: str = "simulated"
    size: int = image_files.SIZE
    """Pixels a side of the images that are kept."""
    quality: int = image_files.QUALITY
    """JPEG quality of the images that are kept."""
    title: str = "Simulated DECaLS galaxies"
    tree: Tree = field(default=GZD5, repr=False)
    licence: str = "CC0-1.0"
    citation: str = (
        "Simulated after Walmsley et al. 2022, MNRAS 509, 3966 (Galaxy Zoo DECaLS); no survey data are in it."
    )
    credit: str = "simulated, CC0-1.0"
    simulated: bool = True
    truth: str = "counts"
    may_publish_images: bool = True
    may_publish_votes: bool = True
    pictures: str = "simulated"
    extra_columns: tuple[str, ...] = field(default=survey.TRUE_COLUMNS + survey.VISIBLE_COLUMNS, repr=False)

    def __post_init__(self) -> None:
        if self.galaxies < 1 or self.seed < 0:
            raise ValueError(
                f"galaxies must be at least 1 and the seed at least 0, not {self.galaxies} and {self.seed}."
            )

    def describe(self) -> dict[str, object]:
        """Return what decides every galaxy and every pixel."""
        return {
            "kind": "simulated",
            "description": (
                "Simulated galaxies in the look of Galaxy Zoo DECaLS cutouts, and simulated volunteers who vote on "
                "what is visible after seeing and noise. No real galaxy and no real volunteer is among them: `true_*` "
                "columns hold what was drawn, `visible_*` the answer probabilities the votes were drawn with. "
                "`_debiased` fractions do not exist here."
            ),
            "galaxies": self.galaxies,
            "seed": self.seed,
            "simulator": VERSION,
        }

    def catalogue(self, work: Path, processes: int) -> pd.DataFrame:
        """Return the catalogue of all galaxies in the order of their names, simulating what ``work`` lacks."""
        folder = self._folder(work)
        folder.mkdir(parents=True, exist_ok=True)
        order = self._order()
        chunks = [order[i : i + PIECE] for i in range(0, len(order), PIECE)]
        paths = [folder / f"{k:05d}.parquet" for k in range(len(chunks))]
        missing = [k for k, path in enumerate(paths) if not path.exists()]
        indices = [i for k in missing for i in chunks[k]]
        with tqdm(total=self.galaxies, unit="galaxy", desc="Simulating", disable=None) as bar:
            bar.update(self.galaxies - len(indices))
            simulated = _simulate_all(self.seed, self.size, self.quality, indices, processes)
            for k in missing:
                rows = []
                for _ in chunks[k]:
                    rows.append(next(simulated))
                    bar.update()
                write_parquet(paths[k], pa.Table.from_pylist(rows))
        table = pd.concat([_read_rows(path) for path in paths], ignore_index=True)
        # Simulated volunteers all met the same questions: none of their votes are lost.
        checked = catalogue.check(table, self.tree, self.title).drop(columns=list(self.tree.lost_columns))
        return pd.concat([checked, table[list(self.extra_columns)].astype(np.float32)], axis=1)

    def split(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return the split of every row, by its sky cell."""
        names = splits.by_sky_cell(catalogue["ra"].to_numpy(), catalogue["dec"].to_numpy())
        return pd.Series(names, index=catalogue.index)

    def scored(self, catalogue: pd.DataFrame) -> pd.Series:
        """Return whether each row was chosen at random and has at least 34 votes."""
        return pd.Series(splits.scored(catalogue), index=catalogue.index)

    def parts(self, work: Path, form: image_files.Form) -> Iterator[Part]:
        """Yield the images that ``catalogue`` kept; their folder's name holds all that decides their pixels."""
        folder = self._folder(work)
        names = [n for path in sorted(folder.glob("[0-9]*.parquet")) for n in _names(path)]
        reader = self.encoder(work, form.size, form.quality)
        yield Part("simulated", dict.fromkeys(names, folder.name), lambda _: reader)

    def encoder(self, work: Path, size: int, quality: int) -> Callable[[Sequence[str]], list[bytes | ImageError]]:
        """Return a reader of the images that ``catalogue`` kept; ValueError for another form than its own."""
        if (size, quality) != (self.size, self.quality):
            raise ValueError(
                f"the simulated images have {self.size} pixels and quality {self.quality}, not {size} and {quality}: "
                "give the source what the edition asks for."
            )
        folder = self._folder(work)
        paths = sorted(folder.glob("[0-9]*.parquet"))
        firsts = [_names(path)[0] for path in paths]
        return _Reader(tuple(paths), tuple(firsts))

    def _folder(self, work: Path) -> Path:
        """Return where the pieces lie: the name holds all that decides them, so stale ones are never used."""
        return work / f"simulated-v{VERSION}-seed{self.seed}-n{self.galaxies}-{self.size}px-q{self.quality}"

    def _order(self) -> list[int]:
        """Return the indices of the galaxies in the order of their names, in which the images are read."""
        named = []
        for index in range(self.galaxies):
            ra, dec = survey.draw_position(generator(self.seed, index, Stream.RECORD))
            named.append((survey.iauname(ra, dec), index))
        return [index for _, index in sorted(named)]


def simulate(seed: int, size: int, quality: int, index: int) -> dict[str, Any]:
    """Return galaxy ``index`` of a seed as a row of the catalogue with its JPEG of ``size`` pixels as ``image``."""
    scene = draw_scene(seed, index)
    cutout = render(scene)
    expected = answer_probabilities(scene.galaxy, scene.encounter, scene.fault, cutout.visibility)
    visible = visible_probabilities(generator(seed, index, Stream.QUIRKS), expected)
    rng = generator(seed, index, Stream.RECORD)
    ra, dec = survey.draw_position(rng)
    featured = float(visible[GZD5.answer_index["smooth-or-featured", "featured-or-disk"]]) / MILLION
    group = survey.draw_upload_group(rng, ra, dec, featured)
    volunteers = survey.draw_volunteers(rng, group)
    votes = panel_votes(generator(seed, index, Stream.VOTES), visible, volunteers)
    if rng.random() < survey.NO_MERGING_SHARE:
        votes[GZD5.slices["merging"]] = 0
    totals = {q.total: int(votes[GZD5.slices[q.name]].sum()) for q in GZD5.questions}
    return {
        "iauname": survey.iauname(ra, dec),
        "ra": ra,
        "dec": dec,
        "redshift": scene.galaxy.redshift,
        "mag_r": scene.galaxy.mag_r,
        "petro_th50": scene.petro_th50,
        "petro_th90": scene.petro_th90,
        "petro_theta": scene.petro_theta,
        "upload_group": group,
        "wrong_size_warning": scene.wrong_size,
        **totals,
        **dict(zip(GZD5.answer_columns, votes.tolist())),
        **survey.true_values(scene),
        **dict(zip(survey.VISIBLE_COLUMNS, (visible / MILLION).tolist())),
        "image": image_files.encode(cutout.image, size, quality),
    }


def _simulate_all(seed: int, size: int, quality: int, indices: list[int], processes: int) -> Iterator[dict[str, Any]]:
    """Yield the simulated galaxies in the order of ``indices``."""
    work = partial(simulate, seed, size, quality)
    if processes == 1 or len(indices) < 2 * processes:
        yield from map(work, indices)
        return
    # spawn: the parent may hold threads, which a fork would copy half-alive
    with multiprocessing.get_context("spawn").Pool(processes, workers.start) as pool:
        yield from pool.imap(work, indices, chunksize=4)


def _read_rows(path: Path) -> pd.DataFrame:
    columns = [c for c in pq.read_schema(path).names if c != "image"]
    return pq.read_table(path, columns=columns).to_pandas()


def _names(path: Path) -> list[str]:
    return [str(name) for name in pq.read_table(path, columns=["iauname"])["iauname"].to_pylist()]


@dataclass
class _Reader:
    """Reads images by name out of pieces ordered by name; picklable, and keeps the last piece in memory."""

    paths: tuple[Path, ...]
    firsts: tuple[str, ...]
    """First name of each piece."""
    _held: int = -1
    _images: dict[str, bytes] = field(default_factory=dict)

    def __call__(self, names: Sequence[str]) -> list[bytes | ImageError]:
        return [self._read(name) for name in names]

    def _read(self, name: str) -> bytes | ImageError:
        piece = bisect.bisect_right(self.firsts, name) - 1
        if piece < 0:
            return ImageError(f"no simulated galaxy has the name {name}")
        if piece != self._held:
            table = pq.read_table(self.paths[piece], columns=["iauname", "image"])
            self._images = dict(zip(table["iauname"].to_pylist(), table["image"].to_pylist()))
            self._held = piece
        return self._images.get(name) or ImageError(f"no simulated galaxy has the name {name}")
