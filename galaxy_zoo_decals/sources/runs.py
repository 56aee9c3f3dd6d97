"""Runs of neighbouring images in archives on a server: which of them are chosen, and how they come onto the disk."""

from __future__ import annotations

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

import requests
from tqdm import tqdm

from galaxy_zoo_decals import atomic
from galaxy_zoo_decals.image_files import MAX_BYTES, Form, ImageError
from galaxy_zoo_decals.sources import Part, archive, download
from galaxy_zoo_decals.sources.archive import ArchiveEncoder, ArchiveError, Entry
from galaxy_zoo_decals.sources.download import File
from galaxy_zoo_decals.sources.remote import CHANGED, ChangedError, Ranges, RemoteFile

RUN = 100
"""Images a run: about 40 MB and so a second or more a request, which stays under a server's 60 requests a minute."""

TAIL = 128 * 2**10
"""Bytes of an archive's end that are asked for first: they say where its table of contents begins."""

GAP = 8 * 2**20
"""Bytes that nobody wants between two wanted images from which on they are two requests."""

LARGEST = 96 * 2**20
"""Bytes a request, held in memory until they are checked; one image of that size may be more."""

SOME = 4
"""Images of one request of which at least one has to be right: else it is the archive that is not what it was."""


class _EmptyError(Exception):
    """None of the images that a zip was to hold could be had: there is to be no zip."""


@dataclass(frozen=True)
class Member:
    """An image in an archive on a server: whose, in which run, and between which bytes it lies."""

    name: str
    entry: Entry
    run: int
    start: int
    stop: int


def members(opened: zipfile.ZipFile) -> list[Member]:
    """Return the images of an archive in the order in which they lie there."""
    names = {entry.member: (name, entry) for name, entry in archive.entries(opened).items()}
    infos = sorted(opened.infolist(), key=lambda info: info.header_offset)
    places = sorted({info.header_offset for info in infos} | {opened.start_dir})
    after = dict(pairwise(places))
    found: list[Member] = []
    for info in infos:
        if info.filename not in names or opened.getinfo(info.filename) is not info:
            continue
        name, entry = names[info.filename]
        start = info.header_offset
        if not 0 <= start < opened.start_dir:
            entry = replace(entry, problem="its place lies outside the archive")
        elif info.compress_size > MAX_BYTES:
            entry = replace(entry, problem=f"the archive says it takes {info.compress_size:,} bytes; no cutout does")
        # Its name and two extra fields of at most 64 KiB each stand beside its bytes, whatever follows it.
        stop = min(after.get(start, start), start + info.compress_size + 3 * 2**16)
        found.append(Member(name, entry, len(found) // RUN, start, stop))
    return found


def choose(
    archives: Mapping[str, Sequence[str]], kept: AbstractSet[str], galaxies: int, seed: int, run: int = RUN
) -> list[str]:
    """Return the galaxies of a part of some archives, the first ones chosen first.

    ``archives`` are the galaxies of each archive in the order in which they lie there; ``kept`` are the ones that
    count. Runs follow each other by a hash of the seed, the archive's name and their place in it, so the first
    ``galaxies`` are part of any larger choice of the same seed. A galaxy of two archives is taken from the first.
    """
    seen: set[str] = set()
    ranked: list[tuple[bytes, list[str]]] = []
    for archive_name, names in archives.items():
        for start in range(0, len(names), run):
            wanted = [name for name in names[start : start + run] if name in kept and name not in seen]
            seen.update(wanted)
            rank = hashlib.sha256(f"{seed} {archive_name} {start // run}".encode()).digest()
            ranked.append((rank, wanted))
    chosen = [name for _, wanted in sorted(ranked) for name in wanted]
    return chosen[:galaxies]


def stretches(wanted: Sequence[Member]) -> Iterator[list[Member]]:
    """Yield wanted images of a run by the request that brings them, in the order in which they lie."""
    held: list[Member] = []
    for member in wanted:
        if held and (member.start - held[-1].stop > GAP or member.stop - held[0].start > LARGEST):
            yield held
            held = []
        held.append(member)
    if held:
        yield held


class RemoteArchive:
    """A zip archive on a server of which some images are brought onto the disk, run by run.

    ``folder`` takes the archive's table of contents and one small zip a run, each whole or not there; what is in it
    is not asked for again. ``find`` returns the published file; it is called only if something has to be fetched.
    """

    def __init__(
        self, name: str, folder: Path, find: Callable[[], File], client: requests.Session, say: download.Say
    ) -> None:
        self.name, self.find, self.client, self.say = name, find, client, say
        self.folder = folder / f"{name}.runs"
        self.contents = self.folder / "contents"
        self._address = ""
        """Where the server sent the first request on to."""

    def members(self) -> list[Member]:
        """Return the archive's images in the order in which they lie there; ArchiveError if it is no whole zip."""
        return members(self._open()[0])

    def part(self, chosen: AbstractSet[str], form: Form, side: int) -> Part:
        """Return the archive's images as a part, of which the ``chosen`` ones can be had; ``side``: their pixels."""
        opened, remote = self._open()
        found = members(opened)
        images = {member.name: member.entry.identity for member in found}
        wanted = [member for member in found if member.name in chosen]
        places = {member.name: (self._path(member.run), member.entry) for member in wanted}

        def fetch() -> None:
            for name, problem in self._fetch(wanted, opened, remote).items():
                places[name] = (places[name][0], replace(places[name][1], problem=problem))

        def encoder(names: Sequence[str]) -> RunEncoder:
            return RunEncoder({name: places[name] for name in names}, form, side)

        return Part(Path(self.name).stem, images, encoder, fetch)

    def discard(self) -> None:
        """Remove the images that were brought; the table of contents stays."""
        for path in self.folder.glob("*.zip"):
            path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove the table of contents: it is that of a file which is no longer on the server."""
        self.contents.unlink(missing_ok=True)

    def _path(self, run: int) -> Path:
        return self.folder / f"{run:05d}.zip"

    def _open(self) -> tuple[zipfile.ZipFile, RemoteFile]:
        """Return the archive with its table of contents read: from the disk, else from the server."""
        remote = self._kept_contents()
        with self._clear_errors():
            if remote is None:
                remote = RemoteFile(Ranges(self.client, self.find(), self.say))
                with _bar(self.name, "table of contents") as bar:
                    remote.arrived = bar.update
                    remote.bring(max(0, remote.size - TAIL), remote.size)
                    opened = self._read_contents(remote)
                self._address = remote.ranges.address
                self._keep_contents(remote, min(opened.start_dir, max(0, remote.size - TAIL)))
            else:
                opened = self._read_contents(remote)
        remote.forget()
        remote.sealed = True
        return opened, remote

    def _read_contents(self, remote: RemoteFile) -> zipfile.ZipFile:
        archive.check_directory(remote, self.name)  # type: ignore[arg-type]
        return zipfile.ZipFile(remote)

    @contextlib.contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except archive.DAMAGE as error:
            self.forget()
            raise ArchiveError(
                f"{self.name} on the server is no whole zip archive ({error}). Run the same command again; if that "
                "does not help, try from another network."
            ) from None

    def _keep_contents(self, remote: RemoteFile, start: int) -> None:
        """Keep the archive's end on disk, from its table of contents on, with what tells which file it was."""
        file = remote.ranges.file
        self.folder.mkdir(parents=True, exist_ok=True)
        remote.seek(start)
        head = {"size": file.size, "md5": file.md5, "etag": remote.ranges.etag, "start": start}
        atomic.write_bytes(self.contents, json.dumps(head).encode() + b"\n" + remote.read())

    def _kept_contents(self) -> RemoteFile | None:
        """Return the archive as far as it is known without the server, or None where it is not."""
        try:
            head, _, data = self.contents.read_bytes().partition(b"\n")
            known = json.loads(head)
            size, start, etag = int(known["size"]), int(known["start"]), known["etag"]
            file = File(self.name, "", size, str(known["md5"]))
            remote = RemoteFile(Ranges(self.client, file, self.say, etag, self._address))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        if start + len(data) != size:
            return None
        remote.keep(start, data)
        remote.sealed = True
        return remote

    def _fetch(self, wanted: Sequence[Member], opened: zipfile.ZipFile, remote: RemoteFile) -> dict[str, str]:
        """Bring images that are not on the disk yet; returns what is wrong with those that cannot be had, by name."""
        runs = {run: list(group) for run, group in groupby(wanted, key=lambda member: member.run)}
        missing = {run: [m for m in group if not m.entry.problem] for run, group in runs.items()}
        for run, group in missing.items():
            held = _held(self._path(run))
            missing[run] = [m for m in group if held.get(m.entry.member) != m.entry.identity]
        missing = {run: group for run, group in missing.items() if group}
        if not missing:
            return {}
        for leftover in self.folder.glob("*.partial"):  # of a run that was killed
            leftover.unlink(missing_ok=True)
        published = self.find()
        known = remote.ranges.file
        with self._clear_errors():
            if (published.size, published.md5) != (known.size, known.md5):
                raise ChangedError(f"{self.name}: the record has another file of this name now. {CHANGED}")
            remote.ranges.file = published
            everything = [member for group in missing.values() for member in group]
            download.check_room(self.folder, sum(member.entry.size for member in everything), self.name)
            asked = sum(s[-1].stop - s[0].start for group in missing.values() for s in stretches(group))
            problems: dict[str, str] = {}
            with _bar(self.name, f"{len(everything):,} images", asked) as bar:
                remote.arrived = bar.update
                for run, group in missing.items():
                    problems |= self._fetch_run(self._path(run), group, opened, remote, bar)
            return problems

    def _fetch_run(
        self, path: Path, wanted: Sequence[Member], opened: zipfile.ZipFile, remote: RemoteFile, bar: tqdm
    ) -> dict[str, str]:
        """Bring some images of a run beside those of it that are there; returns what is wrong with the others."""
        problems: dict[str, str] = {}
        with (
            contextlib.suppress(_EmptyError),
            atomic.atomic_file(path) as beside,
            zipfile.ZipFile(beside, "w") as out,
        ):
            _copy_held(path, {member.entry.member for member in wanted}, out)
            for stretch in stretches(wanted):
                bad = _bring(stretch, opened, remote, out)
                if bad:
                    again = [member for member in stretch if member.name in bad]
                    self.say(f"{self.name}: {len(again)} images arrived damaged; they are asked for again.")
                    bar.total = (bar.total or 0) + again[-1].stop - again[0].start
                    bad = _bring(again, opened, remote, out)
                if len(bad) == len(stretch) >= SOME:
                    raise ChangedError(
                        f"{self.name}: none of {len(bad)} images is what the archive's table of contents says. The "
                        f"file on the server is another one, or something on the way changes it. {CHANGED}"
                    )
                problems |= bad
            if not out.namelist():
                raise _EmptyError
        return problems


def _bar(name: str, what: str, total: int | None = None) -> tqdm:
    """Return a progress bar in bytes."""
    return tqdm(
        total=total, unit="B", unit_scale=True, unit_divisor=1000, desc=f"{name}: {what}", disable=None, smoothing=0.02
    )


def _bring(
    stretch: Sequence[Member], opened: zipfile.ZipFile, remote: RemoteFile, out: zipfile.ZipFile
) -> dict[str, str]:
    """Write the images of one request into a zip once their CRC-32 is right; returns what is wrong with the others."""
    problems: dict[str, str] = {}
    remote.bring(stretch[0].start, stretch[-1].stop)
    try:
        for member in stretch:
            try:
                data = archive.read_entry(opened, member.entry)
            except ImageError as error:
                problems[member.name] = str(error)
            else:
                out.writestr(zipfile.ZipInfo(member.entry.member), data)
    finally:
        remote.forget()
    return problems


def _held(path: Path) -> dict[str, str]:
    """Return the identity of every image in the zip of a run, by its place in the archive; none if there is no zip."""
    try:
        with zipfile.ZipFile(path) as held:
            return {info.filename: Entry(info.filename, info.CRC, info.file_size).identity for info in held.infolist()}
    except (FileNotFoundError, *archive.DAMAGE):
        return {}


def _copy_held(path: Path, but: AbstractSet[str], out: zipfile.ZipFile) -> None:
    """Copy into a zip what the zip of the same run holds already; what is damaged there is left behind."""
    with contextlib.suppress(FileNotFoundError, *archive.DAMAGE), zipfile.ZipFile(path) as held:
        for info in held.infolist():
            if info.filename not in but:
                with contextlib.suppress(*archive.DAMAGE):
                    out.writestr(zipfile.ZipInfo(info.filename), held.read(info))


@dataclass(frozen=True)
class RunEncoder:
    """Decodes and encodes images that lie in the zips of their runs, by iauname."""

    places: dict[str, tuple[Path, Entry]]
    form: Form
    side: int | None = None
    """Pixels a side that the images must have, if that is known."""

    def __call__(self, names: Sequence[str]) -> list[bytes | ImageError]:
        """Return the images of some galaxies, or what is wrong with them."""
        made: dict[str, bytes | ImageError] = {}
        by_run: dict[Path, dict[str, Entry]] = {}
        for name in names:
            path, entry = self.places[name]
            if entry.problem:
                made[name] = ImageError(entry.problem)
            else:
                by_run.setdefault(path, {})[name] = entry
        for path, entries in by_run.items():
            made |= zip(entries, ArchiveEncoder(path, entries, self.form, self.side)(list(entries)))
        return [made[name] for name in names]
