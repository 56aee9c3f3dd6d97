"""A part of a survey: some of its galaxies, chosen by a seed, whose images are read out of archives on a server."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from galaxy_zoo_decals import atomic
from galaxy_zoo_decals.image_files import Form
from galaxy_zoo_decals.sources import Part
from galaxy_zoo_decals.sources.record import Record
from galaxy_zoo_decals.sources.remote import ChangedError
from galaxy_zoo_decals.sources.runs import RemoteArchive, choose


@dataclass(frozen=True)
class SomeGalaxies:
    """What a source of some galaxies has beside its images; the first base of such a source."""

    galaxies: int = 2000
    """How many of the galaxies that cleaning keeps."""
    seed: int = 0
    """Which ones: fewer galaxies of a seed are part of more galaxies of it."""

    @cached_property
    def _archives(self) -> SomeOfArchives:
        raise NotImplementedError

    @property
    def choice(self) -> tuple[str, str]:
        """What the step is called that leaves out the other galaxies, and why they are left out."""
        return "not chosen", f"a part of the survey, of up to {self.galaxies:,} galaxies, chosen by seed {self.seed}"

    def left_out(self, names: Sequence[str], work: Path) -> frozenset[str]:
        """Return the galaxies that have an image and are not chosen; the chosen ones are noted in ``work``."""
        return self._archives.left_out(names, work)

    def _described(self, said: dict[str, object], part: str) -> dict[str, object]:
        """Return what edition.json says of the whole source, with the words about this part and how it was chosen."""
        return {**said, "description": f"{said['description']}{part}", "galaxies": self.galaxies, "seed": self.seed}


class SomeOfArchives:
    """Archives of a record of which some images are wanted: which of them, and how they become parts.

    ``called`` gives the galaxy that an image of the archives shows, by the name that it has there; without it they are
    named by their galaxies.
    """

    def __init__(
        self,
        archives: Sequence[str],
        record: Record,
        galaxies: int,
        seed: int,
        called: Callable[[str], str] = str,
    ) -> None:
        self.record, self.galaxies, self.seed, self.called = record, galaxies, seed, called
        self.archives = [
            RemoteArchive(name, record.folder, partial(record.find, name), record.client, record.say)
            for name in archives
        ]

    def left_out(self, names: Sequence[str], work: Path) -> frozenset[str]:
        """Return the galaxies that have an image and are not chosen; the chosen images are noted in ``work``."""
        with self._reading():
            held = {remote.name: [member.name for member in remote.members()] for remote in self.archives}
        shown = {self.called(image): image for images in reversed(held.values()) for image in images}
        by_galaxy = {archive_name: [self.called(image) for image in images] for archive_name, images in held.items()}
        chosen = choose(by_galaxy, frozenset(names), self.galaxies, self.seed)
        atomic.write_text(_note(work), json.dumps([shown[name] for name in chosen]))
        if len(chosen) < self.galaxies:
            self.record.say(
                f"{self.galaxies:,} galaxies were asked for; there are {len(chosen):,} that can be used, all taken."
            )
        return frozenset(names) & shown.keys() - frozenset(chosen)

    def parts(self, work: Path, form: Form, side: int, delete: bool) -> Iterator[Part]:
        """Yield the images archive by archive, of which the chosen ones are fetched when it is their turn.

        ``side``: the pixels they must have; ``delete``: what was fetched of an archive is removed once it is converted.
        """
        left = set(json.loads(_note(work).read_text(encoding="utf-8")))
        for remote in self.archives:
            part = remote.part(left, form, side)
            left -= part.images.keys()
            yield replace(part, fetch=lambda fetch=part.fetch: self._fetch_alone(fetch))  # type: ignore[misc]
            if delete:
                remote.discard()

    def _fetch_alone(self, fetch: Callable[[], object]) -> None:
        with self._reading():
            fetch()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Let nobody else download into the folder; where an archive has changed, begin with all of them anew."""
        with self.record.alone():
            try:
                yield
            except ChangedError:
                for remote in self.archives:
                    remote.forget()
                raise


def _note(work: Path) -> Path:
    """Return where the names of the chosen images are noted."""
    return work / "chosen.json"
