"""Reference rows of the boards: class prior, panels of volunteers and noise ceiling, as they are stored and read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from galaxy_zoo_decals.atomic import atomic_file
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.scoring import BOARDS, UNDEFINED, VERSION, Estimate, Result, Truth, ceilings
from galaxy_zoo_decals.scoring.results import references
from leaderboard.entry import versions
from leaderboard.files import LeaderboardError, read_json, sha256, write_json
from leaderboard.ranking.stored_scores import FORMAT, plain_json

PRIOR = "class prior"


def write(root: Path, edition: Edition | Truth, draws: int = ceilings.DRAWS) -> Path:
    """Store the reference rows of an edition, noise ceilings included, in ``root``/references; returns the file.

    Of an edition that was frozen by its catalogue alone its truth is given. Where the truth is no counts of volunteers
    the class prior is the one reference.

    A site shows stored ones: ceilings take a minute, and where the truth is absent there are no others.
    """
    truth = edition if isinstance(edition, Truth) else Truth.of(edition)
    priors = references(truth)
    found: dict[str, dict[str, Result]] = {board: {} for board in BOARDS}
    if not truth.votes_assumed:
        given = edition
        found = ceilings.ceilings(given, draws) if isinstance(given, Truth) else ceilings.of_edition(given, draws)
    found = {board: rows for board, rows in found.items() if board in truth.boards}
    rows = {board: {name: plain_json(s) for name, s in scored.items()} for board, scored in priors.items()}
    for board, references_of in ceilings.to_json(found).items():
        galaxies = next(iter(rows[board].values()))["galaxies"]
        rows[board] |= {
            t: {"galaxies": galaxies, "confusions": {}, "curves": {}} | references_of[t] for t in references_of
        }
    every: dict[str, dict[str, Result]] = {b: {**priors[b], **found[b]} for b in found}
    drawn = {
        f"{board}/{title}": row.draws[BOARDS[board].primary][: ceilings.RESAMPLES]
        for board, named in every.items()
        for title, row in named.items()
    }
    content = {
        "format": FORMAT,
        "scorer": VERSION,
        "edition": truth.edition,
        "content_hash": truth.content_hash,
        "boards": rows,
    }
    path = root / "references" / f"{truth.edition}-{truth.content_hash[:12]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path.with_suffix(".parquet")) as beside:
        pq.write_table(pa.table({k: pa.array(v, pa.float32()) for k, v in drawn.items()}), beside, compression="zstd")
        content["draws_sha256"] = sha256(beside)
    write_json(path, content)
    return path


def read(root: Path) -> dict[tuple[str, str], dict[str, dict[str, Result]]]:
    """Return the stored reference rows: {(edition, content hash): {board: {name: Result}}}.

    Of their draws only those of the primary metrics are kept, the first ceilings.RESAMPLES of the shared ones. Of an
    edition whose truth is no counts of volunteers nothing but the class prior is read, whatever is stored.
    """
    found = {}
    for path in sorted((root / "references").glob("*.json")):
        content = read_json(path)
        if content.get("scorer") != VERSION:
            continue
        beside = path.with_suffix(".parquet")
        if not beside.is_file() or sha256(beside) != content.get("draws_sha256"):
            raise LeaderboardError(
                f"{beside}: not the draws that {path.name} names: run `python -m leaderboard references`."
            )
        drawn, key = pq.read_table(beside), (content["edition"], content["content_hash"])
        counted = versions.counted_votes(key) is not False
        found[key] = {
            board: {
                name: Result.from_json(
                    board, content["edition"], s, {BOARDS[board].primary: drawn[f"{board}/{name}"].to_numpy()}, counted
                )
                for name, s in rows.items()
                if counted or name == PRIOR
            }
            for board, rows in content["boards"].items()
        }
    return found


def skill(board: str, result: Result, others: dict[str, Result]) -> Estimate:
    """Return where a score stands between class prior (0) and noise ceiling (1); NaN where either is not stored."""
    name, rows = BOARDS[board].primary, [others.get(title) for title in (PRIOR, ceilings.CEILING)]
    if any(row is None or name not in row.draws for row in rows):
        return UNDEFINED
    return ceilings.skill(*((r.metrics[name].value, r.draws[name]) for r in (result, *rows) if r is not None))
