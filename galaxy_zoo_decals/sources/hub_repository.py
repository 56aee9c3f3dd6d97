"""A dataset of the Hugging Face Hub at one revision: which files a config has, and each file whole and verified."""

from __future__ import annotations

import functools
import hashlib
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from huggingface_hub import HfApi, constants, get_token, hf_hub_download
from huggingface_hub.errors import (  # HTTPError is that of the HTTP library the Hub's client is built on
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import logging
from tqdm import tqdm

from galaxy_zoo_decals import addresses, atomic
from galaxy_zoo_decals.sources import download, hub_card
from galaxy_zoo_decals.sources.download import LOCK, DownloadError, Say

MOST_SHARDS, LONGEST_PATH, LARGEST_SHARD = 4096, 255, 2**40
"""Parquet files of a repository at most, the characters of a path, and the bytes of a file."""

TRIES = 6
"""Attempts at a file before a download gives up; the Hub's client tries again by itself within each."""

FIRST_TRIES = 3
"""Attempts at what someone waits for: the list of files."""

PIN = ".revision.json"
"""How the file is called, after the config's name, that keeps which revision a download began with."""

SAFE_PATH = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*/){0,4}[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

ELSEWHERE = "`galaxy-zoo-decals doctor` says what else can be reached."

KEPT = "What has arrived whole is kept: the same command goes on."

NO_HUB = "Look at HF_ENDPOINT and at your proxy."

ANSWERS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What the Hub's client raises of answers, redirects and sizes that are none."""

Result = TypeVar("Result")


class HubError(DownloadError):
    """Something that cannot be had from the Hub; the message says what the Hub said and what to do."""


@dataclass(frozen=True)
class Stored:
    """A file of a repository: its path there, its size in bytes, its sha256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Snapshot:
    """What one revision of a dataset holds of a config."""

    repository: str
    """Its name as the Hub spells it today."""
    revision: str
    """The commit, 40 hex digits."""
    files: tuple[Stored, ...]
    """The config's Parquet files by path."""
    rows: int | None
    """Rows of the config as the card states them."""
    licence: str | None
    """The licence as the card states it, in the Hub's spelling."""


def pinned(pin: Path, repository: str, config: str, say: Say) -> Snapshot:
    """Return the snapshot kept in the file ``pin``, or ask the Hub for today's and keep it there.

    A download of many files that is interrupted so goes on with the revision that it began with.
    """
    try:
        said = json.loads(pin.read_text(encoding="utf-8"))
        if said.pop("asked") == repository and said.pop("config") == config:
            return Snapshot(**said | {"files": tuple(Stored(**file) for file in said["files"])})
    except FileNotFoundError:
        pass
    except (ValueError, TypeError, KeyError, AttributeError):
        say(f"{pin}: not readable; the Hub is asked anew.")
    found = ask(repository, config, pin.parent, say)
    atomic.write_text(pin, json.dumps({"asked": repository, "config": config} | asdict(found), indent=1) + "\n")
    return found


def ask(repository: str, config: str, folder: Path, say: Say) -> Snapshot:
    """Return what the Hub has of a config today; HubError in one sentence where it is not what was expected."""
    api = HfApi(library_name="galaxy-zoo-decals")

    def once() -> Any:
        return api.dataset_info(repository, files_metadata=True, timeout=download.TIMEOUT[0])

    try:
        info = _persist(once, repository, say, FIRST_TRIES)
        files = {s.rfilename: s for s in info.siblings or ()}
        name, revision = str(info.id), str(info.sha)
    except HubError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise HubError(
            f"{api.endpoint}: the answer does not describe a dataset of the Hub ({error!r}). {NO_HUB}"
        ) from None
    if not re.fullmatch(r"[0-9a-f]{40}", revision) or not re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", name):
        raise HubError(f"{api.endpoint}: the answer does not describe a dataset of the Hub. {NO_HUB}")
    if name != repository:
        say(f"The dataset {repository} is called {name} on the Hub now; it is read under that name.")
    if hub_card.CARD not in files or not _is_size(files[hub_card.CARD].size or 0, hub_card.LARGEST_CARD):
        raise _other(
            name, revision, f"it has no card ({hub_card.CARD}) that says which files belong to the config {config!r}"
        )
    try:
        card = hub_card.read(_download(name, revision, hub_card.CARD, folder, say))
        patterns, rows, licence = (
            hub_card.patterns_of(card, config),
            hub_card.rows_of(card, config),
            hub_card.licence(card),
        )
    except hub_card.CardError as error:
        raise _other(name, revision, f"its card ({hub_card.CARD}) {error}") from None
    if patterns is None:
        known = sorted(_shown(str(c.get("config_name"))) for c in hub_card.configs(card)[:20])
        raise _other(name, revision, f"it has no config {config!r} (it has {', '.join(known) or 'none'})")
    found = [path for path in files if path.endswith(".parquet")]
    if len(found) > MOST_SHARDS or any(len(path) > LONGEST_PATH for path in found):
        raise _other(name, revision, f"it lists {len(found):,} Parquet files, or paths of more than {LONGEST_PATH}")
    chosen = sorted(path for path in found if any(hub_card.fits(pattern, path) for pattern in patterns))
    if not chosen:
        raise _other(name, revision, f"no Parquet file fits the patterns of its config {config!r}")
    stored = []
    for path in chosen:
        lfs = files[path].lfs
        if not SAFE_PATH.fullmatch(path) or lfs is None or not re.fullmatch(r"[0-9a-f]{64}", str(lfs.sha256)):
            raise _other(name, revision, f"it states no sha256 for {path[:80]!r}, or a path that is none")
        if not _is_size(lfs.size, LARGEST_SHARD):
            raise _other(name, revision, f"it states no size for {path!r} that a file can have")
        stored.append(Stored(path, lfs.size, str(lfs.sha256)))
    # Beside the shards lie the card, the lock and the pins of a download.
    taken = {
        *chosen,
        hub_card.CARD,
        LOCK,
        atomic.soft_lock(Path(LOCK)).name,
        *(path.partition("/")[0] for path in chosen if path.partition("/")[0].endswith(PIN)),
    }
    for path in chosen:
        if above := taken.intersection(map(str, PurePosixPath(path).parents)):
            raise _other(name, revision, f"it lists {path!r}, but {min(above)!r} is a file and no folder")
    return Snapshot(name, revision, tuple(stored), rows, licence)


def _is_size(value: object, most: int) -> bool:
    """Return whether a size that the Hub states is one."""
    return isinstance(value, int) and 0 <= value <= most


def _shown(text: str) -> str:
    """Return a text of others as it may stand in a message."""
    return re.sub(r"[^\w.+:-]", "?", text[:64], flags=re.ASCII)


def _other(repository: str, revision: str, differs: str) -> HubError:
    return HubError(
        f"{repository} (revision {revision[:10]}) is not what it was when this program was written: {differs}. Update "
        f"galaxy-zoo-decals, or take another way in: {ELSEWHERE}"
    )


def fetch(snapshot: Snapshot, file: Stored, folder: Path, say: Say) -> Path:
    """Bring a file of a snapshot into ``folder`` under its path there and return it, verified by size and sha256.

    One that is there whole is kept, without asking the Hub. A wrong one is downloaded anew once, then HubError is
    raised and nothing of it is left.
    """
    path = folder / PurePosixPath(file.path)
    if _sha256(path, file.size) == file.sha256:
        return path
    with _alone(folder):
        path.unlink(missing_ok=True)
        download.check_room(folder, file.size, path.name)
        for last in (False, True):
            _download(snapshot.repository, snapshot.revision, file.path, folder, say)
            if (found := _sha256(path, file.size)) == file.sha256:
                return path
            size = path.stat().st_size
            path.unlink()
            if last:
                raise HubError(
                    f"{file.path} of {snapshot.repository}: downloaded twice, and both times it is not the file that "
                    f"the Hub lists ({size:,} bytes, sha256 {(found or 'not computed')[:12]}; listed {file.size:,}, "
                    f"{file.sha256[:12]}); nothing of it was kept. Try again later, or from another network."
                )
            say(f"{file.path}: not the file that the Hub lists; it is downloaded anew.")
    raise AssertionError("unreachable")


def mirrored_votes(folder: Path, say: Say) -> Path:
    """Bring the votes from their mirror on the Hub into ``folder``; HubError unless their md5 is the published one."""
    votes = addresses.VOTES[0]
    with _alone(folder):
        path = _download(addresses.HUB_MIRROR, None, addresses.HUB_MIRROR_VOTES, folder / "mirror", say)
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if md5 != votes.md5:
            path.unlink()
            raise HubError(
                f"{addresses.HUB_MIRROR_VOTES} of {addresses.HUB_MIRROR}: its md5 is {md5}, and {votes.md5} is that of "
                f"the votes on Zenodo, so it was not kept. {ELSEWHERE}"
            )
        atomic.put_file(path, folder / votes.name)
    return folder / votes.name


def _sha256(path: Path, size: int) -> str | None:
    """Return the sha256 of a file of this size; None if there is none."""
    if not path.is_file() or path.stat().st_size != size:
        return None
    return _hashed(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _hashed(path: Path, modified: int) -> str:
    """Return the sha256 of a file as it was modified last; a shard is asked for twice, and hashing it takes seconds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let nobody else download into ``folder``, and remove what a killed download left: the client starts anew."""
    with download.alone(folder):
        for leftover in (folder / ".cache" / "huggingface" / "download").rglob("*.incomplete"):
            leftover.unlink(missing_ok=True)
        yield


class _Bar(tqdm):
    """The bar of a download: on a terminal, of a file large enough to be waited for, under a name of its own."""

    title = ""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        small = (named.get("total") or hub_card.LARGEST_CARD) < hub_card.LARGEST_CARD
        named["disable"] = named.get("disable") or small or not sys.stderr.isatty()
        named.pop("name", None)
        super().__init__(*arguments, **named | {"desc": self.title})


def _download(repository: str, revision: str | None, path: str, folder: Path, say: Say) -> Path:
    """Return a file of a dataset, by the Hub's own client, which continues one that is cut."""
    folder.mkdir(parents=True, exist_ok=True)

    def once() -> str:
        return hf_hub_download(
            repository, path, repo_type="dataset", revision=revision, local_dir=folder, endpoint=constants.ENDPOINT,
            library_name="galaxy-zoo-decals", tqdm_class=type("_Bar", (_Bar,), {"title": PurePosixPath(path).name}),
        )  # fmt: skip

    return Path(_persist(once, repository, say, TRIES, path))


def _persist(attempt: Callable[[], Result], repository: str, say: Say, tries: int, path: str = "") -> Result:
    """Return what ``attempt`` returns, trying again with growing waits while it fails in ways that pass."""
    failures = 0
    while True:
        try:
            with _quiet():
                return attempt()
        except Exception as error:
            passes, words = _judge(error, repository, path)
            if not words:
                raise
            failures += 1
            if not passes or failures >= tries:
                raise HubError(f"{words} {KEPT} {ELSEWHERE}" if passes else words) from None
        wait = min(2.0**failures, download.LONGEST_WAIT) * random.uniform(0.75, 1.25)
        say(f"{words} Trying again in {wait:.0f} s.")
        time.sleep(wait)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client's own warnings back, one an attempt and each a line of Python: what matters is said here."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _judge(error: BaseException, repository: str, path: str) -> tuple[bool, str]:
    """Return whether a failure of the Hub's client may pass, and one sentence on it; "" if it is none of the Hub's."""
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    what, where = f"{path} of {repository}" if path else repository, constants.ENDPOINT
    if isinstance(error, OfflineModeIsEnabled):
        return False, "HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it and run the same command."
    if isinstance(error, GatedRepoError):
        page = f"{where}/datasets/{repository}"
        return False, (
            f"{repository}: the Hub asks everyone to accept its terms first. Open {page}, accept them, run `hf auth "
            "login` (or set HF_TOKEN), and run the same command."
        )
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return _judge_answer(error, error.response.status_code, repository, what, where)
    if isinstance(error, FileMetadataError):
        return False, f"{where}: the answer for {what} is not one of the Hub. {NO_HUB}"
    if isinstance(error, HTTPError):
        # The library's own words come last: they name what failed (a name, a certificate, a refused connection).
        return True, f"no connection to {where} ({str(error).splitlines()[0] if str(error) else type(error).__name__})."
    if isinstance(error, ANSWERS) and not type(error).__name__.startswith("Xet"):
        kind = type(error).__name__
        return False, f"{where}: the answer does not describe {what} as the Hub does ({kind}). {NO_HUB}"
    # The library that brings files of the Hub's newer storage has few exceptions of its own.
    if isinstance(error, (RuntimeError, ConnectionError, TimeoutError)) or type(error).__name__.startswith("Xet"):
        words = " ".join(str(error).split())[:160]
        return True, f"{what}: the download broke off ({words}); HF_HUB_DISABLE_XET=1 takes the plain way."
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return True, f"{what}: the download has another size than the Hub states."
    return False, ""


def _judge_answer(error: Exception, status: int, repository: str, what: str, where: str) -> tuple[bool, str]:
    if isinstance(error, RevisionNotFoundError):
        return False, (
            f"{repository}: the revision that this run began with is no longer on the Hub. --again takes today's, and "
            "begins anew."
        )
    if isinstance(error, RemoteEntryNotFoundError):
        return False, f"{what}: the Hub has no such file any more (404). --again asks what there is today."
    if status == 401 and get_token():
        return False, (
            f"{what}: the Hub does not accept your token (401). Renew it (`hf auth login`, or HF_TOKEN); without any "
            "the dataset is open to everyone."
        )
    if status == 404 and not isinstance(error, RepositoryNotFoundError):  # the Hub says what is not found
        return False, f"{where}: the answer does not describe a dataset of the Hub, or a file of one (404). {NO_HUB}"
    if isinstance(error, RepositoryNotFoundError) or status == 401:
        return False, (
            f"{where} has no dataset {repository} that everyone may read ({status}): it was renamed, removed or made "
            f"private. {ELSEWHERE}"
        )
    if status == 403:
        return False, f"{what}: the Hub refuses it (403). If you use a token, look at what it allows. {ELSEWHERE}"
    if status in download.AGAIN:
        return True, f"{what}: the Hub answered {status}, busy or down."
    return False, f"{what}: the Hub answered {status}. {ELSEWHERE}"
