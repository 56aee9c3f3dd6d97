"""Predictions made without the harness: template, tables in any order, facts, answers at a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from galaxy_zoo_decals import predictions as prediction_files
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.scoring import Truth
from leaderboard.__main__ import main
from leaderboard.entry import submission
from tests.test_leaderboard_runs import guess, write_run

TASKS = ("multiclass", "multilabel", "hierarchical", "votes")

RUN = """
title: Trees
backbone: none
weights: none
recipe: {trees: 300}
resolution: null
device: 2 CPU cores
precision: float64
train_seconds: null
"""

FACTS = {
    "name": "Trees",
    "authors": ["A. Nonymous"],
    "contact": "someone@example.org",
    "description": "Trees on pixels.",
    "code": {
        "repository": "https://example.org/code", "commit": "0123456789abcdef0123456789abcdef01234567",
        "command": "python trees.py", "recipe": "trees",
    },
    "parameters": 1000,
    "training_data": "The training split.",
    "weights": "not published",
    "test_overlap": {"status": "none", "note": "Trained from scratch."},
    "selection": "validation only",
    "attestation": True,
    "run": yaml.safe_load(RUN),
}  # fmt: skip


def write_facts(folder: Path, **changes: object) -> Path:
    path = folder / "facts.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in (FACTS | changes).items() if v is not None}))
    return path


def tables(edition: Path, folder: Path, task: str, seeds: int = 1) -> list[Path]:
    """Write tables as a stranger would: rows shuffled, columns in another order, plain numbers."""
    truth = Truth.of(Edition(edition))
    paths = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, *task.encode()])
        table = pd.DataFrame(guess(truth, task, 0.6, rng), columns=list(prediction_files.columns(task, truth.tree)))
        table.insert(0, "iauname", truth.names)
        table = table.sample(frac=1, random_state=seed)[table.columns[::-1]]
        paths.append(folder / f"{task}-seed{seed}.{'csv' if seed == 0 else 'parquet'}")
        table.to_csv(paths[-1], index=False) if seed == 0 else table.to_parquet(paths[-1], index=False)
    return paths


def test_tables_of_all_tasks_become_a_checked_submission(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [p for task in TASKS for p in tables(toy_edition, tmp_path, task, seeds=2)]
    root = ["--root", str(tmp_path / "board"), "--edition", str(toy_edition)]
    facts = str(write_facts(tmp_path))
    assert main(["submit", "--predictions", *map(str, paths), "--facts", facts, "--date", "20260102", *root]) == 0
    assert "Still to be filled in" not in capsys.readouterr().out
    assert main(["score", *root]) == 0 and main(["check", *root]) == 0
    assert "good; 8 prediction files, 8 re-scored" in capsys.readouterr().out
    truth = Truth.of(Edition(toy_edition))
    stored = prediction_files.read(
        tmp_path / "board/submissions/20260102-trees/predictions/toy/votes/seed1.parquet", truth.tree
    )
    given = pd.read_parquet(tmp_path / "votes-seed1.parquet").set_index("iauname").loc[list(truth.names)]
    expected = given[list(prediction_files.columns("votes", truth.tree))].to_numpy()
    assert np.allclose(stored.values, expected, rtol=1e-6)


def test_a_template_filled_in_is_taken(toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ["--root", str(tmp_path / "board"), "--edition", str(toy_edition)]
    assert main(["template", "toy", "multiclass", "--out", str(tmp_path / "mine"), *root]) == 0
    table = pd.read_csv(tmp_path / "mine" / "predictions.csv")
    words = ["submit", "--predictions", str(tmp_path / "mine" / "predictions.csv"), "--name", "Mine", *root]
    assert main([*words, "--facts", str(tmp_path / "mine" / "facts.yaml")]) == 1
    said = capsys.readouterr().err
    assert "facts.yaml: line" in said and "run.title: input should be a valid string" in said
    facts = str(write_facts(tmp_path, run=None, parameters=None))
    assert main([*words, "--facts", facts]) == 1
    assert "need parameters, run in the file" in capsys.readouterr().err
    facts = str(write_facts(tmp_path))
    assert main([*words, "--facts", facts]) == 1
    assert "column 'p_elliptical' is empty: fill it in" in capsys.readouterr().err
    table[["p_elliptical", "p_spiral", "p_lenticular", "p_irregular"]] = [0.4, 0.3, 0.2, 0.1]
    table.to_csv(tmp_path / "mine" / "predictions.csv", index=False)
    assert main([*words, "--facts", facts]) == 0
    assert main(["template", "toy", "votes", "--out", str(tmp_path / "mine"), *root]) == 1
    assert "exists already" in capsys.readouterr().err


def test_the_template_of_facts_holds_every_key(tmp_path: Path, toy_edition: Path) -> None:
    assert main(["template", "toy", "votes", "--out", str(tmp_path), "--edition", str(toy_edition)]) == 0
    text = (tmp_path / "facts.yaml").read_text()
    asked = yaml.safe_load(text)
    assert asked.keys() == FACTS.keys()
    for part in ("code", "test_overlap", "run"):
        assert asked[part].keys() == FACTS[part].keys()  # type: ignore[attr-defined]
    keys = sum(len(value) if isinstance(value, dict) else 1 for value in asked.values())
    assert text.count(": null  # ") == keys, "every key says what belongs there"
    merged = asked | FACTS
    (tmp_path / "facts.yaml").write_text(yaml.safe_dump(merged))
    assert submission.read_facts(tmp_path / "facts.yaml").name == "Trees"


def test_a_table_with_concentrations_beyond_the_bounds_is_refused(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = tables(toy_edition, tmp_path, "votes")
    table = pd.read_csv(path)
    table["a_bar_strong"] *= 1e20
    table.to_csv(path, index=False)
    command = ["submit", "--predictions", str(path), "--facts", str(write_facts(tmp_path))]
    assert main([*command, "--root", str(tmp_path / "board"), "--edition", str(toy_edition)]) == 1
    said = capsys.readouterr().err
    first = Truth.of(Edition(toy_edition)).names[0]
    for word in (path.name, first, "'a_bar_strong'", "e+2", "no concentration from 1e-06 to 1e+06", "clip"):
        assert word in said
    assert not (tmp_path / "board" / "submissions").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.iloc[1:], ["lacks", "scored test galaxies of toy"]),
        (lambda t: pd.concat([t, t.iloc[:1]]), ["a second time"]),
        (lambda t: t.assign(p_spiral=0.9), ["sum to", "not 1"]),
        (lambda t: t.assign(p_spiral="x"), ["'p_spiral'", "no number"]),
        (lambda t: t.drop(columns="p_spiral"), ["'p_spiral' is missing", "multiclass"]),
        (lambda t: t.rename(columns={"iauname": "name"}), ["'iauname' is missing"]),
        (lambda t: t.assign(iauname=[f"X{i}" for i in range(len(t))]), ["none of its galaxies"]),
        (lambda t: t.assign(p_spiral=-t.p_spiral, p_elliptical=t.p_elliptical + 2 * t.p_spiral), ["no probability"]),
    ],
)
def test_a_bad_table_says_what_to_mend(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: object, words: list[str]
) -> None:
    (path,) = tables(toy_edition, tmp_path, "multiclass")
    change(pd.read_csv(path)).to_csv(path, index=False)  # type: ignore[operator]
    command = ["submit", "--predictions", str(path), "--facts", str(write_facts(tmp_path))]
    assert main([*command, "--root", str(tmp_path / "board"), "--edition", str(toy_edition)]) == 1
    said = capsys.readouterr().err
    assert str(path.name) in said or "seed0.parquet" in said
    assert all(word in said for word in words), said
    assert not (tmp_path / "board").exists()


def test_facts_go_over_what_a_run_says_and_their_faults_have_lines(
    toy_edition: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(toy_edition, tmp_path / "runs", "multiclass")
    facts = tmp_path / "facts.yaml"
    facts.write_text("contact: me@example.org\ncode:\n  repository: https://example.org/x\n")
    root = ["--root", str(tmp_path / "board"), "--edition", str(toy_edition), "--date", "20260102"]
    assert main(["submit", str(run), "--name", "Mine", "--facts", str(facts), *root]) == 0
    said = submission.read(tmp_path / "board/submissions/20260102-mine/submission.yaml")
    assert said.contact == "me@example.org" and said.code.repository == "https://example.org/x"
    assert said.code.command.startswith("accelerate launch"), "what the run knows stays"
    facts.write_text("contact: me@example.org\ncode:\n  repo: https://example.org/x\n")
    assert main(["submit", str(run), "--name", "Other", "--facts", str(facts), *root]) == 1
    assert "facts.yaml: line 3: unknown key 'code.repo'" in capsys.readouterr().err


def test_at_a_terminal_it_asks_and_asks_again(toy_edition: Path, tmp_path: Path) -> None:
    run = write_run(toy_edition, tmp_path / "runs", "multiclass")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "leaderboard", "submit", str(run), "--name", "Mine", "--date", "20260102"]
    process = subprocess.Popen(
        [*command, "--root", str(tmp_path / "board"), "--edition", str(toy_edition)],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    os.close(theirs)
    said = b""

    def answer(question: bytes, text: str) -> None:
        nonlocal said
        while question not in said or not said.rstrip(b" ").endswith(b">"):
            said += os.read(ours, 4096)
        os.write(ours, f"{text}\n".encode())
        said = b""

    answer(b"contact", "me@example.org")
    answer(b"description", "")
    answer(b"code.repository", "http://example.org")
    answer(b"once more", "https://example.org/code")
    answer(b"weights.url", "not published")
    for key in (b"training_data", b"test_overlap.status", b"test_overlap.note", b"selection", b"authors"):
        answer(key, {b"test_overlap.status": "none", b"authors": "A. One, B. Two"}.get(key, ""))
    answer(b"attestation", "yes")
    assert process.wait(60) == 0
    os.close(ours)
    made = submission.read(tmp_path / "board/submissions/20260102-mine/submission.yaml")
    assert made.contact == "me@example.org" and made.authors == ["A. One", "B. Two"] and made.attestation
    assert made.code.repository == "https://example.org/code" and made.weights == "not published"
    assert set(made.remaining()) == {"description", "training_data", "test_overlap.note", "selection"}
