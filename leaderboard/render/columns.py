"""What a board's table holds of each row: the same columns for the page, its filters and the CSV and JSON beside it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from galaxy_zoo_decals.scoring import VERSION
from leaderboard.entry.truths import Key
from leaderboard.ranking.board_table import Row, Table, number
from leaderboard.ranking.entries import Entry

Value = float | int | str | None


@dataclass(frozen=True)
class Column:
    """A column: ``shown`` at first, or only when a reader asks for it; ``note`` defines it."""

    key: str
    title: str
    note: str = ""
    numeric: bool = True
    shown: bool = False
    better: str = ""


@dataclass(frozen=True)
class Cell:
    """A value with the text a reader sees; None where it is undefined."""

    text: str
    value: Value


def family(entry: Entry) -> str:
    """Return the family of an entry's network, from the name of its backbone: "efficientnet", "cnn", "resnet"."""
    found = re.match(r"(?:tf_)?([a-z]+)", entry.run.backbone.lower())
    return found[1] if found else "other"


def evidence(entry: Entry, key: Key) -> str:
    """Return the most that stands behind an entry's numbers on an edition: derived from what lies here."""
    if entry.local:
        return "local run"
    if not any(t.scores for t in entry.trained if t.key == key):
        return "reported"
    return next((one.word for one in reversed(entry.evidence) if key in one.editions), "re-scored")


def overlap(entry: Entry) -> str:
    """Return what the authors say of test galaxies in the training data."""
    return "unknown" if entry.submission is None else (entry.submission.test_overlap.status or "unknown")


def day(entry: Entry) -> str | None:
    """Return the day of a submission, YYYY-MM-DD; None for local runs."""
    return None if entry.local else f"{entry.slug[:4]}-{entry.slug[4:6]}-{entry.slug[6:8]}"


def columns(table: Table) -> list[Column]:
    """Return the columns of a board after rank, entry, score and interval, in order; a few are shown at first."""
    metrics = [
        Column(m.name, m.title, m.definition, shown=i < 1, better="" if m.higher_is_better else "lower is better")
        for i, m in enumerate(m for m in table.board.metrics.values() if m.name != table.primary.name)
    ]
    skilled = any(math.isfinite(row.skill.value) for row in table.rows)
    skill = Column("skill", "Skill", "Position between the class prior (0) and the noise ceiling (1).", shown=skilled)
    mixed = len({_pictures(row) for row in [*table.rows, *table.partial]} - {None}) > 1 or any(
        row.score.lacking for row in [*table.rows, *table.partial]
    )
    sized = (
        len({row.seeds[0].run.edition.image_size for row in [*table.rows, *table.partial] if row.seeds} - {None}) > 1
    )
    return [
        Column("seeds", "Seeds", "Number of trainings; the score is their mean.", shown=True),
        *([skill] if table.counted_votes else []),
        Column("spread", "s.d. over seeds", "Standard deviation of the score over the seeds."),
        *metrics,
        Column("evidence", "Evidence", "How the scores were verified.", numeric=False),
        Column(
            "overlap", "Test overlap", "Whether the weights have seen test galaxies, as the authors declare.", False
        ),
        Column("family", "Family", "Family of the network.", numeric=False),
        Column("recipe", "Recipe", "Name of the training settings.", numeric=False),
        Column("parameters", "Parameters", "Number of weights that were trained or used.", shown=True),
        Column("pixels", "Pixels", "Side of the square input image of the network.", shown=True),
        Column("pictures", "Pictures", "Source of the input images.", numeric=False, shown=mixed),
        Column(
            "image_size",
            "Image pixels",
            "Side of the edition's images, before scaling to the network's input.",
            shown=sized,
        ),
        *([Column("lacking", "Missing", "Galaxies that have no image at the source.", shown=True)] if mixed else []),
        Column("train_seconds", "Training", "Time of one training on the listed device.", shown=True),
        Column("device", "Device", "Device of the training.", numeric=False, shown=True),
        Column("gpu_hours", "GPU-hours", "GPU-hours of one training."),
        Column("images_per_second", "Images/s", "Images per second during training on the listed device."),
        Column("peak_memory_bytes", "Peak memory", "Peak memory of the device, or of the process on a CPU."),
        Column("date", "Date", "Day of the submission.", numeric=False),
    ]


def cells(table: Table, row: Row) -> dict[str, Cell]:
    """Return the cells of a row by the key of their column."""
    primary, skill = table.primary, row.skill.value
    found = {
        "skill": Cell(f"{skill:.2f}" if math.isfinite(skill) else "–", _finite(skill)),
        "seeds": Cell(str(len(row.seeds)) if row.seeds else "–", len(row.seeds) or None),
        "spread": Cell(number(row.spread, primary), _finite(row.spread)),
    }
    for name, metric in table.board.metrics.items():
        value = row.score.metrics[name].value
        found[name] = Cell(number(value, metric), _finite(value))
    entry = row.entry
    if entry is None:
        return found | {c.key: Cell("–", None) for c in columns(table) if c.key not in found}
    run = row.seeds[0].run if row.seeds else entry.run
    speed = run.images_per_second
    memory = run.peak_memory_bytes
    return found | {
        "evidence": Cell(evidence(entry, table.key), evidence(entry, table.key)),
        "overlap": Cell(overlap(entry), overlap(entry)),
        "family": Cell(family(entry), family(entry)),
        "recipe": Cell(run.recipe_name, run.recipe_name),
        "parameters": Cell(size(run.parameters), run.parameters),
        "pixels": Cell("–" if run.resolution is None else str(run.resolution), run.resolution),
        "device": Cell(run.device, run.device),
        "pictures": Cell(run.edition.pictures or "–", run.edition.pictures),
        "image_size": Cell(str(run.edition.image_size or "–"), run.edition.image_size),
        "lacking": Cell(f"{row.score.lacking:,}", row.score.lacking),
        "train_seconds": Cell(duration(run.train_seconds), _finite(run.train_seconds)),
        "gpu_hours": Cell("–" if run.gpu_hours is None else f"{run.gpu_hours:.3g}", _finite(run.gpu_hours)),
        "images_per_second": Cell("–" if speed is None else f"{speed:.0f}", _finite(speed)),
        "peak_memory_bytes": Cell("–" if memory is None else f"{size(memory)}B", memory),
        "date": Cell(day(entry) or "–", day(entry)),
    }


def _pictures(row: Row) -> str | None:
    return row.seeds[0].run.edition.pictures if row.seeds else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def records(table: Table) -> list[dict[str, Value]]:
    """Return every row of a board with all columns and the interval of every metric, references included."""
    found: list[dict[str, Value]] = []
    kinds = (
        ("ranked", table.rows), ("partial", table.partial), ("reference", table.references), ("retired", table.retired),
    )  # fmt: skip
    for kind, rows in kinds:
        for row in rows:
            place = row.place
            record: dict[str, Value] = {
                "kind": kind,
                "rank_first": place.first if place is not None and place.letters else None,
                "rank_last": place.last if place is not None and place.letters else None,
                "tie": place.letters if place is not None else None,
                "entry": row.title,
                "slug": None if row.entry is None else row.entry.slug,
            }
            for name in table.board.metrics:
                values = row.score.metrics[name]
                for end, value in zip(("", "_low", "_high"), values):
                    record[f"{name}{end}"] = _finite(value)
            if table.counted_votes:
                record |= {f"skill{end}": _finite(v) for end, v in zip(("", "_low", "_high"), row.skill)}
            given = cells(table, row)
            record |= {c.key: given[c.key].value for c in columns(table) if c.key not in record}
            found.append(record)
    return found


def as_json(table: Table) -> str:
    """Return a board as JSON: what it is bound to, then its rows."""
    content: dict[str, Any] = {
        "edition": table.key[0],
        "title": table.edition,
        "content_hash": table.key[1],
        "board": table.board.task,
        "ranked_by": table.primary.name,
        "higher_is_better": table.primary.higher_is_better,
        "scorer": VERSION,
        "test_galaxies": table.galaxies,
        "rows": records(table),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(table: Table) -> str:
    """Return a board as CSV, one line a row."""
    rows = records(table)
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: tame(v) for k, v in row.items()} for row in rows)
    return out.getvalue()


def tame(value: Value) -> Value:
    """Return a value for CSV: text that a spreadsheet would run as a formula gets a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.lstrip()[:1] in "=+-@" and value.strip() else value


def duration(seconds: float | None) -> str:
    """Return a time in short: 76 s, 3.4 min, 12 h."""
    if seconds is None:
        return "–"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}" if seconds < 10 * length else f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(count: float | None) -> str:
    """Return a large number in short: 12.9 M."""
    if count is None:
        return "–"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f}"
