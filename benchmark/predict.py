"""Predict galaxy images with a trained model: `python benchmark/predict.py MODEL IMAGES`.

Writes a table with one row per image: labels and probabilities; for a Dirichlet model the expected vote fraction of
each answer, with intervals, and the path through the decision tree (docs/predicting.md).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not __package__:
    # Run as a script: the clone's root, not benchmark/, is where the packages lie.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from galaxy_zoo_decals import interruption

if __name__ == "__main__":
    interruption.until_ready("benchmark/predict.py")

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from benchmark import BenchmarkError, hub, run_folder
from galaxy_zoo_decals.atomic import atomic_file
from galaxy_zoo_decals.ending import run_script
from galaxy_zoo_decals.errors import letters

# torch and transformers are imported where they are needed: --help and wrong arguments are answered without them.
if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from galaxy_zoo_decals.edition import Edition
    from galaxy_zoo_decals.models import GalaxyModel
    from galaxy_zoo_decals.models.model import GalaxyConfig
    from galaxy_zoo_decals.predictions import Predictions


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    out = argparse.ArgumentParser(
        prog="benchmark/predict.py",
        description=(__doc__ or "").split("\n")[0],
        epilog=(
            "Images are JPEG, PNG, TIFF, WebP or FITS files. They must look like the training images: the galaxy in "
            "the centre, as Galaxy Zoo shows it."
        ),
        allow_abbrev=False,
    )
    out.add_argument("model", help="a run's folder, a saved model's folder, or a Hub id (owner/name)")
    out.add_argument("images", nargs="+", help="image files, folders of files, or one edition (a name or a folder)")
    out.add_argument("--out", type=Path, default=Path("predictions.csv"), help="table to write, .csv or .parquet")
    out.add_argument("--batch", type=int, default=64, help="images per batch; default: 64")
    out.add_argument("--overwrite", action="store_true", help="replace an existing table")
    out.add_argument(
        "--board",
        action="store_true",
        help="write a prediction file (.parquet) for the scored test galaxies of an edition, as the boards need it",
    )
    return out


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status, 3 if some images could not be read; errors are one sentence."""
    args = parser().parse_args(arguments)
    nothing = "nothing was written."
    return run_script(lambda: _run(args), "benchmark/predict.py", nothing, after=f"; {nothing}")


def _run(args: argparse.Namespace) -> int:
    if args.out.suffix not in (".csv", ".parquet"):
        raise BenchmarkError(f"--out {args.out}: name a table that ends in .csv or .parquet.")
    if args.out.exists() and not args.overwrite:
        raise BenchmarkError(f"{args.out} is there already. Choose another --out, or replace it with --overwrite.")
    if args.out.is_dir():
        raise BenchmarkError(f"--out {args.out} is a folder: name a table.")
    _check_place(args.out)
    if args.batch < 1:
        raise BenchmarkError(f"--batch must be at least 1, not {args.batch}.")
    if args.board:
        return _run_board(args)
    names, images = _source(args.images)
    table = predict(load(args.model), names, images, args.batch)
    _write(table, args.out)
    bad = table[table["problem"] != ""]
    for row in bad.head(10).itertuples():
        print(f"not predicted: {row.name}: {row.problem}", file=sys.stderr)
    print(f"{len(table) - len(bad):,} of {len(table):,} images predicted; written to {args.out}")
    return 3 if len(bad) else 0


def _check_place(out: Path) -> None:
    """Raise BenchmarkError where no table can be written to ``out``: better now than after the predictions."""
    existing = next(parent for parent in out.absolute().parents if parent.exists())
    # Of some file systems, such as /proc, only the attempt tells.
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise BenchmarkError(
            f"--out {out}: {existing} is no folder that can be written to ({error.strerror or error}). Choose another "
            "--out."
        ) from None


def _run_board(args: argparse.Namespace) -> int:
    from galaxy_zoo_decals import predictions as files
    from galaxy_zoo_decals.edition import Edition

    if len(args.images) != 1 or args.out.suffix != ".parquet":
        raise BenchmarkError("--board predicts one edition (a name or its folder) and writes --out FILE.parquet.")
    edition = Edition.open(args.images[0])
    found = board_predictions(load(args.model), edition, _seed(Path(args.model)), args.batch)
    files.write(args.out, found, edition.tree)
    print(f"{len(found.names):,} scored test galaxies of {edition.name} predicted; written to {args.out}")
    return 0


def _seed(model: Path) -> int:
    """Return the seed of a run's folder; 0 for a saved model, which does not know its own."""
    run = model if (model / "run.json").is_file() else model.parent
    return int(run_folder.read(run)["seed"]) if (run / "run.json").is_file() else 0


def load(model: str) -> GalaxyModel:
    """Return a saved model, ready to predict; raises BenchmarkError if there is none or its config.json is wrong."""
    # Before the libraries, which take seconds to load.
    folder = Path(model)
    if (folder / "model" / "config.json").is_file():
        folder = folder / "model"
    if folder.exists() and not (folder / "config.json").is_file():
        raise BenchmarkError(f"{folder} holds no model (no config.json): name a run's folder or a saved model's.")
    if not folder.exists() and not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", model, re.ASCII):
        raise BenchmarkError(f"there is no model {model!r}: name a run's folder, a saved model's, or owner/name.")

    import torch
    from transformers import AutoConfig, AutoModelForImageClassification
    from transformers.utils import logging

    from galaxy_zoo_decals.models import saved_config
    from galaxy_zoo_decals.models.model import GalaxyConfig

    logging.disable_progress_bar()
    where = str(folder) if folder.exists() else model
    local = folder.exists() or not hub.answers()
    # No code from the model's folder, here and below.
    given = {"trust_remote_code": False, "local_files_only": local}
    with _loading(model):
        config = AutoConfig.from_pretrained(where, **given)
    if not isinstance(config, GalaxyConfig):
        raise BenchmarkError(f"{model} is a model of type {config.model_type}, not one of this harness.")
    if problem := saved_config.problem(config):
        file = folder / "config.json" if folder.exists() else f"config.json of {model}"
        raise BenchmarkError(f"{file}: {problem}; write there what the training wrote, or get the model anew.")
    with _loading(model):
        # Tensors alone: no pickle. Images are float32, so the network is too. What does not fit is told below.
        found, about = AutoModelForImageClassification.from_pretrained(
            where,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **given,
        )
    names = sorted([*about["missing_keys"], *(name for name, *_ in about["mismatched_keys"])])
    if names:
        raise BenchmarkError(
            f"{model}: {len(names)} tensors are missing or of another shape than its config.json says, first "
            f"{names[0]}; get the model anew."
        )
    return found.eval().to("cuda" if torch.cuda.is_available() else "cpu")


@contextlib.contextmanager
def _loading(model: str) -> Iterator[None]:
    """Turn what damaged files and unknown names raise, anything from KeyError to SafetensorError, to BenchmarkError."""
    try:
        yield
    except Exception as error:
        first = str(error).strip().split("\n")[0]
        raise BenchmarkError(f"{model} is no model that can be loaded ({first}).") from None


def predict(model: GalaxyModel, names: list[str], images: Iterable[bytes | Path], batch: int = 64) -> pd.DataFrame:
    """Return one row an image file (its path or its bytes), in order, with the columns of docs/predicting.md.

    An image that cannot be read has its reason in ``problem`` and nothing in the other columns. Raises BenchmarkError
    if what the model predicts is not finite: whatever the image, that is the fault of its weights.
    """
    import pandas as pd

    from benchmark import answer_columns

    values, problems = _values(model, len(names), images, batch)
    seen = [i for i, problem in enumerate(problems) if not problem]
    columns = answer_columns.of(model.task, model.tree, values) if seen else {}
    table = pd.DataFrame(columns, index=seen).reindex(range(len(names)))
    table.insert(0, "name", names)
    table["problem"] = problems
    return table


def board_predictions(model: GalaxyModel, edition: Edition, seed: int, batch: int = 64) -> Predictions:
    """Return what a model says of an edition's scored test galaxies, in their order, as boards take it.

    Raises BenchmarkError if the model follows another tree or an image cannot be read.
    """
    from benchmark.image_cache import batches, galaxies
    from galaxy_zoo_decals.predictions import Predictions

    if model.tree != edition.tree:
        raise BenchmarkError(f"the model predicts answers of {model.tree.name}, the edition has {edition.tree.name}.")
    names = galaxies(edition, "test")["iauname"].tolist()
    if not names:
        raise BenchmarkError(f"{edition.path}: no test galaxy is scored, so there is nothing to predict.")
    counts: Any = edition.facts["counts"]
    if model.task == "multiclass" and not counts["test"].get("multiclass", 1):
        raise BenchmarkError(f"{edition.path}: no test galaxy has a class, so there is no board of four classes.")
    wanted = set(names)
    images = (
        data for some, files in batches(edition.shards("test")) for name, data in zip(some, files) if name in wanted
    )
    values, problems = _values(model, len(names), images, batch)
    for name, problem in zip(names, problems, strict=True):
        if problem:
            raise BenchmarkError(f"{edition.path}: the image of {name}: {problem}; prepare the edition again.")
    hashes = edition.content_hash, edition.split_hash
    return Predictions(model.task, edition.name, *hashes, seed, tuple(names), values)


def _values(model: GalaxyModel, count: int, images: Iterable[bytes | Path], batch: int) -> tuple[np.ndarray, list[str]]:
    """Return float64 (readable images, columns of the task), and of every image why it cannot be read, "" if it can."""
    import numpy as np
    import torch
    from tqdm import tqdm

    from benchmark.evaluation import in_parts, inputs
    from galaxy_zoo_decals.image_files import ImageError

    problems, parts = [], []
    waiting: list[np.ndarray] = []

    def flush() -> None:
        if waiting:
            pixels = torch.from_numpy(np.stack(waiting)).permute(0, 3, 1, 2).to(model.device)
            with torch.inference_mode():
                found = in_parts(lambda part: model.predict(inputs(model, part)), pixels)
                parts.append(found.double().cpu().numpy())
            waiting.clear()
            if not np.isfinite(parts[-1]).all():
                raise BenchmarkError(
                    "the model predicts what is no finite number: its weights are damaged, or are not those that its "
                    "config.json belongs to; get the model anew, or train it again."
                )

    for image in tqdm(images, total=count, unit="img", disable=None):
        try:
            waiting.append(_pixels(image, model.config))
            problems.append("")
        except ImageError as error:
            problems.append(str(error))
        if len(waiting) == batch:
            flush()
    flush()
    return np.concatenate(parts) if parts else np.empty((0, 0)), problems


def _pixels(file: bytes | Path, config: GalaxyConfig) -> np.ndarray:
    """Return an image as a model was shown those of its edition, uint8 (size, size, 3); raises ImageError.

    It becomes first what the edition would have kept of it, then what the network sees of that.
    """
    from benchmark.image_cache import as_kept
    from galaxy_zoo_decals import crops
    from galaxy_zoo_decals import image_files as pixels
    from galaxy_zoo_decals.image_files import Form, ImageError

    if isinstance(file, Path):
        try:
            length = file.stat().st_size
            if length > pixels.MAX_BYTES:
                raise ImageError(f"{length:,} bytes are more than a cutout has")
            file = file.read_bytes()
        except OSError as error:
            raise ImageError(error.strerror or str(error)) from None
    kept = Form.of(config.edition_size, config.edition_quality)
    return crops.cut(as_kept(file, kept), config.image_size, config.crop)


def _source(images: list[str]) -> tuple[list[str], Iterable[bytes | Path]]:
    """Return names and image files (paths, or bytes out of an edition) of what was named."""
    from galaxy_zoo_decals.edition import Edition, available, is_edition
    from galaxy_zoo_decals.pictures.kinds import SUFFIXES
    from galaxy_zoo_decals.sources.folder import check_readable, look

    if len(images) == 1 and (images[0] in available() or is_edition(Path(images[0]))):
        return _edition(Edition.open(images[0]))
    paths: list[Path] = []
    for name in images:
        path = Path(name)
        if path.is_dir():
            found = look(path)
            if not found.images:
                first = next((f" {name}: {why}." for name, why in found.skipped.items()), "")
                raise BenchmarkError(f"{path} holds no image ({', '.join(SUFFIXES)}).{first}")
            _say_skipped(path, found.skipped)
            paths += found.images
        elif path.is_file():
            paths.append(path)
        else:
            raise BenchmarkError(f"there is no image, folder or edition {name!r}. Editions: {', '.join(available())}.")
    check_readable(paths)
    return [letters(path) for path in paths], paths


def _say_skipped(folder: Path, skipped: dict[str, str]) -> None:
    """Say which files beside the images of a folder are not looked at."""
    if skipped:
        print(f"{folder}: other files than images that are read: {len(skipped):,}", file=sys.stderr)
        for name, why in list(skipped.items())[:10]:
            print(f"    {name}: {why}", file=sys.stderr)


def _edition(edition: Any) -> tuple[list[str], Iterator[bytes]]:
    from benchmark.image_cache import batches

    shards = [shard for split in edition.splits for shard in edition.shards(split)]
    names = [name for split in edition.splits for name in edition.table(split, ["iauname"])["iauname"]]
    return names, (data for _, images in batches(shards) for data in images)


def _write(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as beside:
        if path.suffix == ".parquet":
            table.to_parquet(beside, index=False)
        else:
            table.to_csv(beside, index=False, float_format="%.6g")


if __name__ == "__main__":
    sys.exit(main())
