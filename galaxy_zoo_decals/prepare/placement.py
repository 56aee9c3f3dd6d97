"""How a finished edition takes its place: one run at a time, the old edition whole until then, killed at any point."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from galaxy_zoo_decals import atomic, edition
from galaxy_zoo_decals.edition import EditionError, is_edition

PARTS = ("README.md", "edition.json", "data")
"""All that an edition's folder holds."""


def settle(out: Path) -> None:
    """Finish what a run that was killed at its very end had begun: its edition goes into place, its leftovers go.

    Raises EditionError if another run works on ``out``.
    """
    if done(out).exists() or _lock(out).exists():
        with alone(out):
            put_in_place(out)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Let nobody else work on ``out``; EditionError if somebody does."""
    _make_folder(out.parent)

    def busy(who: str) -> EditionError:
        return EditionError(f"{who} works on {out}. Wait for it to end, or choose another --out.")

    with atomic.lock(_lock(out), busy):
        yield


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise EditionError(f"{folder} is no folder; choose another --out.") from None
    except OSError as error:
        where = folder if error.filename is None else error.filename
        raise EditionError(
            f"{where}: {error.strerror}. Choose another --out; without one {edition.ANOTHER_HOME}"
        ) from None


def check_target(out: Path) -> None:
    """Raise EditionError unless ``out`` is free, empty, or an edition and nothing else."""
    if not out.exists():
        return
    if not out.is_dir():
        raise EditionError(f"{out} is a file; an edition is a folder. Choose another --out.")
    atomic.check_replaceable(out)
    inside = {p.name for p in out.iterdir()}
    if inside and not (is_edition(out) and inside <= set(PARTS)):
        other = sorted(inside - set(PARTS))[:3] or sorted(inside)[:3]
        if is_edition(out):
            raise EditionError(
                f"{out} is an edition and holds {', '.join(other)} beside it, which would be lost; nothing in it was "
                "touched. Move what is not the edition's to another folder, then run the same command again."
            )
        raise EditionError(
            f"{out} exists and is not an edition (it holds {', '.join(other)}); nothing in it was touched. "
            "Choose another --out."
        )


def _lock(out: Path) -> Path:
    return out.with_name(out.name + ".lock")


def done(out: Path) -> Path:
    """Return what the work folder is called once a whole edition lies in it, on the disk."""
    return out.with_name(out.name + ".done")


def put_in_place(out: Path) -> None:
    """Put a finished edition in the place of the old one, and remove what is left then; may be killed at any point."""
    if (done(out) / "edition").exists():
        check_target(out)
    atomic.put_folder(done(out) / "edition", out)
