"""An entry's results for the Hugging Face Hub: ``.eval_results/*.yaml`` of its model repository, and its model card."""

from __future__ import annotations

import math
from pathlib import Path

import yaml

from galaxy_zoo_decals.scoring import BOARDS
from leaderboard.entry.truths import Key, Truths, terms_of, title_of
from leaderboard.files import LeaderboardError
from leaderboard.ranking.entries import Entry

FILE = Path(".eval_results", "galaxy-zoo-decals.yaml")


def write(entry: Entry, truths: Truths, dataset: str, revision: str | None, folder: Path) -> list[Path]:
    """Write both for the dataset repository ``ORG/NAME`` that holds the edition and return the files.

    A README.md that stands there keeps its text and its other metadata. Raises LeaderboardError if the entry is on
    several editions, which are several datasets.
    """
    import huggingface_hub as hub
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(dataset)
    except HFValidationError as error:
        raise LeaderboardError(f"--dataset {dataset}: {error}") from None
    if len(entry.editions) != 1:
        raise LeaderboardError(f"{entry.slug} is on {len(entry.editions)} editions, which are datasets of their own.")
    (key,) = entry.editions
    date = f"{entry.slug[:4]}-{entry.slug[4:6]}-{entry.slug[6:8]}"
    results, card = [], []
    for task in BOARDS:
        board = BOARDS[task].told(terms_of(key, truths).counted_votes)
        score = entry.score(key, task)
        if score is None:
            continue
        metric = board.metrics[board.primary]
        if not math.isfinite(score.metrics[metric.name][0]):
            continue
        results.append(
            hub.EvalResultEntry(
                dataset_id=dataset,
                task_id=task,
                value=round(score.metrics[metric.name][0], 6),
                dataset_revision=revision,
                date=date,
                notes=_notes(entry, key, task),
            )
        )
        card += [
            hub.EvalResult(
                task_type="image-classification",
                task_name=board.title,
                dataset_type=dataset,
                dataset_name=title_of(key, truths),
                dataset_config=task,
                dataset_split="test",
                dataset_revision=revision,
                metric_type=name,
                metric_name=board.metrics[name].title,
                metric_value=round(values[0], 6),
            )
            for name, values in score.metrics.items()
            if name in board.metrics and math.isfinite(values[0])
        ]
    if not results:
        raise LeaderboardError(f"{entry.slug}: no score that an edition this small defines could be exported.")
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(hub.eval_result_entries_to_yaml(results), sort_keys=False), encoding="utf-8")
    readme = folder / "README.md"
    if not readme.is_file():
        readme.write_text(f"# {entry.title}\n", encoding="utf-8")
    fresh = hub.ModelCardData(model_name=entry.title, eval_results=card).to_dict()
    hub.metadata_save(readme, {**(hub.metadata_load(readme) or {}), **fresh})
    return [path, readme]


def _notes(entry: Entry, key: Key, task: str) -> str:
    board, seeds = BOARDS[task], entry.seeds(key, task)
    score = entry.score(key, task)
    assert score is not None
    metric = board.metrics[board.primary]
    _, low, high = score.metrics[metric.name]
    return (
        f"{metric.title} on the edition {key[0]} (content {key[1][:12]}), mean of {len(seeds)} "
        f"{'seed' if len(seeds) == 1 else 'seeds'}, 95 % interval {low:.4f} to {high:.4f}"
    )
