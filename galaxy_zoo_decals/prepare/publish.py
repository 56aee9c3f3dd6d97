"""An edition to the Hugging Face Hub: its files, and an eval.yaml that makes it a benchmark.

The Hub writes Croissant metadata of every dataset of Parquet files itself, from its card and its columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (  # HTTPError is that of the HTTP library the Hub's client is built on
    HfHubHTTPError,
    HTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.errors import UserError
from galaxy_zoo_decals.prepare.placement import PARTS
from galaxy_zoo_decals.schema import VIEWS

REPO = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")

EVAL = "eval.yaml"


class PublishError(UserError):
    """An edition that cannot be published; the message says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """What a push sends: files by their path in the repository, and eval.yaml."""

    repo: str
    private: bool
    files: dict[str, Path]
    evaluation: str
    """Text of eval.yaml."""

    def __str__(self) -> str:
        """Return the plan as a page of text."""
        sizes = {name: path.stat().st_size for name, path in self.files.items()}
        sizes[EVAL] = len(self.evaluation.encode())
        lines = [f"to {self.repo}, a {'private' if self.private else 'PUBLIC'} dataset:"]
        lines += [f"  {size / 1e6:>10,.1f} MB  {name}" for name, size in sizes.items()]
        return "\n".join([*lines, f"  {sum(sizes.values()) / 1e6:>10,.1f} MB  in {len(sizes)} files"])


def plan(edition: Edition, repo: str, private: bool = True) -> Plan:
    """Return what a push of the edition would send; PublishError if it may not be passed on."""
    if not REPO.fullmatch(repo):
        raise PublishError(f"{repo!r} is no name of a repository; it is like user/galaxy_zoo_decals.")
    terms = edition.terms
    if not (terms.may_publish_images and terms.may_publish_votes):
        source: dict[str, Any] = edition.facts["source"]  # type: ignore[assignment]
        why = (
            "No licence is stated that allows it: `galaxy-zoo-decals prepare catalogue --licence` states one."
            if source.get("kind") == "catalogue"
            else f"{edition.facts['citation']} Others prepare the edition from their own download."
        )
        raise PublishError(
            f"images and votes of {edition.title} may not be passed on, not even in a private repository. {why}"
        )
    files = {name: edition.path / name for name in PARTS if (edition.path / name).is_file()}
    shards = [path for split in edition.splits for path in edition.shards(split)]
    files |= {f"data/{path.name}": path for path in shards}
    return Plan(repo, private, files, evaluation(edition))


def evaluation(edition: Edition) -> str:
    """Return the text of eval.yaml: one task a view that has test galaxies."""
    counts: dict[str, int] = edition.facts["counts"]["test"]  # type: ignore[index]
    tasks = [{"id": view, "config": view, "split": "test"} for view in VIEWS if counts[view]]
    content = {
        "name": edition.title,
        "description": (
            f"Galaxy morphology from volunteers' votes, {edition.tree.title} tree. Metrics use the test galaxies "
            "marked `scored`, and are computed from predictions by galaxy_zoo_decals.scoring."
        ),
        "evaluation_framework": "galaxy-zoo-decals",
        "tasks": tasks,
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def push(planned: Plan, api: HfApi | None = None) -> tuple[str, str | None]:
    """Send an edition to the Hub in one commit; returns its address, and why eval.yaml was not taken (None: it was).

    The token is that of the environment (HF_TOKEN) or of `hf auth login`. Shards of an earlier edition with other
    names are removed in the same commit: datasets would load them with the new ones. eval.yaml follows in a commit
    of its own, as the Hub takes it from registered benchmarks only.
    """
    api = api or HfApi(library_name="galaxy-zoo-decals")
    try:
        repo = api.create_repo(planned.repo, repo_type="dataset", private=planned.private, exist_ok=True)
        if planned.private and not api.repo_info(repo.repo_id, repo_type="dataset").private:
            raise PublishError(f"{planned.repo} is there already and public. If that is meant, add --public.")
        there = set(api.list_repo_files(repo.repo_id, repo_type="dataset"))
        stale = sorted(name for name in there if re.fullmatch(r"data/.*\.parquet", name) and name not in planned.files)
        operations = [CommitOperationAdd(name, path) for name, path in planned.files.items()]
        removals = [CommitOperationDelete(name) for name in stale]
        api.create_commit(
            repo.repo_id,
            [*operations, *removals],
            commit_message="An edition of galaxy_zoo_decals",
            repo_type="dataset",
        )
    except LocalTokenNotFoundError:
        raise PublishError("you are not logged in at the Hub. Run `hf auth login`, or set HF_TOKEN.") from None
    except RepositoryNotFoundError:
        raise PublishError(f"{planned.repo}: the Hub does not let you write there. Log in (`hf auth login`).") from None
    except HfHubHTTPError as error:
        raise PublishError(f"{planned.repo}: the Hub answered: {_first_line(error)}") from None
    except OfflineModeIsEnabled:
        raise PublishError("HF_HUB_OFFLINE is set, so nothing is sent. Unset it and run the same command.") from None
    except HTTPError as error:
        raise PublishError(f"no connection to {api.endpoint} ({error}). The same command goes on with it.") from None
    refused = None
    try:
        added = CommitOperationAdd(EVAL, planned.evaluation.encode())
        api.create_commit(repo.repo_id, [added], commit_message="Tasks of the benchmark", repo_type="dataset")
    except HfHubHTTPError as error:
        refused = _first_line(error)
    return str(repo), refused


def _first_line(error: HfHubHTTPError) -> str:
    return str(error.server_message or error).strip().splitlines()[0]
