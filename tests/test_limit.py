"""The report on the data's limit: it is what the committed scores say, and what they do not say it does not."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from galaxy_zoo_decals.scoring import BOARDS, Estimate, Result
from leaderboard.__main__ import main
from leaderboard.entry.truths import Truths
from leaderboard.files import DATA as HERE
from leaderboard.files import LeaderboardError
from leaderboard.ranking import board_table, stored_scores, ties
from leaderboard.ranking.differences import Difference
from leaderboard.render.limit import page, standings
from leaderboard.render.limit.standings import Edition


@pytest.fixture(scope="module")
def editions() -> dict[str, Edition]:
    found, warnings = standings.read(HERE, Truths.on_this_machine([], []))
    assert not warnings
    return found


def test_the_command_writes_the_page_and_the_figures_it_shows(tmp_path: Path) -> None:
    assert main(["limit", "--out", str(tmp_path / "docs")]) == 0
    text = (tmp_path / "docs" / "limit.md").read_text()
    shown = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(shown) == 3
    for name in shown:
        assert (tmp_path / "docs" / name).is_file() or (page.DOCS / name).is_file()
    assert sorted(p.name for p in (tmp_path / "docs").iterdir()) == sorted(
        ["limit.md", *(name for name in shown if "/" not in name)]
    )


def test_a_difference_is_paired_and_of_the_means_of_the_seeds(editions: dict[str, Edition]) -> None:
    edition = editions["gz2"]
    found = edition.difference("dirichlet", "multiclass", "multiclass", "accuracy")
    assert found is not None
    means, draws = [], []
    for name in ("dirichlet", "multiclass"):
        stored = stored_scores.read(HERE / "scores" / edition.entries[name].slug)
        means.append(np.mean([s.boards["multiclass"].metrics["accuracy"].value for s in stored]))
        draws.append(np.mean([s.boards["multiclass"].draws["accuracy"].astype(float) for s in stored], axis=0))
    assert found.value == pytest.approx(means[0] - means[1])
    assert [found.low, found.high] == pytest.approx(np.quantile(draws[0] - draws[1], [0.025, 0.975]), abs=1e-6)
    # On the same galaxies: less than half as wide as if the two were tested on galaxies of their own.
    apart = np.quantile(draws[0] - np.random.default_rng(0).permutation(draws[1]), [0.025, 0.975])
    assert found.high - found.low < 0.8 * (apart[1] - apart[0])
    assert edition.difference("dirichlet", "multiclass", "multilabel", "macro_map") is None


@pytest.mark.parametrize(
    ("low", "high", "apart", "better", "verdict"),
    [
        (0.01, 0.05, True, True, "better"),
        (0.01, 0.05, True, False, "worse"),
        (0.01, 0.05, False, True, "statistically tied"),
        (-0.01, 0.05, True, True, "statistically tied"),
    ],
)
def test_better_needs_both_the_interval_and_the_seeds(
    low: float, high: float, apart: bool, better: bool, verdict: str
) -> None:
    assert Difference(0.03, low, high, apart, better).verdict == verdict


def test_a_sentence_that_the_scores_do_not_support_stops_the_report(editions: dict[str, Edition]) -> None:
    known = editions["simulated"]
    rows = known.references["multiclass"]
    lower = known.references | {"multiclass": rows | {standings.CEILING: rows[standings.PRIOR]}}
    with pytest.raises(LeaderboardError, match="every model's accuracy on simulated is below the ceiling"):
        page.text(editions | {"simulated": replace(known, references=lower)}, [])


def test_an_ensemble_is_held_against_its_own_trainings(editions: dict[str, Edition]) -> None:
    """The same trainings on both sides: nothing but the galaxies varies, so the interval alone decides."""
    found = editions["gz2"].difference("dirichlet-of-three", "dirichlet", "votes", "nll")
    assert found is not None and found.apart == (found.low > 0 or found.high < 0)
    turned = editions["gz2"].difference("dirichlet", "dirichlet-of-three", "votes", "nll")
    assert turned is not None and turned.value == -found.value


def test_verdicts_agree_with_the_letters_of_the_board(editions: dict[str, Edition]) -> None:
    for edition in editions.values():
        for board, kind in BOARDS.items():
            entries = [entry for entry in edition.entries.values() if entry.score(edition.key, board)]
            table = board_table.table(edition.key, "", "", board, entries, {}, [], "GZD5")
            letters = {row.entry.slug: row.place.letters for row in table.rows if row.entry and row.place}
            for first, second in combinations(edition.on(board), 2):
                if edition.members.get(first) != second:
                    found = edition.difference(first, second, board, kind.primary)
                    one, two = (letters[edition.entries[name].slug] for name in (first, second))
                    assert found is not None and found.apart == (not ties.share(one, two))


def test_the_findings_of_the_readme_hold(editions: dict[str, Edition]) -> None:
    """Its three sentences, word by word; where one no longer holds the README has to say it otherwise."""
    real = editions["gz2"]

    def verdicts(first: str, second: str) -> dict[str, str]:
        found = {b: real.difference(first, second, b, kind.primary) for b, kind in BOARDS.items()}
        return {board: d.verdict for board, d in found.items() if d}

    ceiling = editions["simulated"].reference("multiclass", "macro_f1", standings.CEILING)
    assert max(s.metrics["macro_f1"].high for s in editions["simulated"].on("multiclass").values()) < ceiling
    assert np.isnan(real.reference("multiclass", "macro_f1", standings.CEILING))
    assert verdicts("dirichlet", "multiclass") == {"multiclass": "better"}
    assert verdicts("dirichlet", "multilabel") == {"multilabel": "statistically tied"}
    for specialist in ("multiclass", "efficientnetv2", "efficientnetv2-unbalanced", "hierarchical"):
        assert "worse" not in verdicts("dirichlet", specialist).values()
    assert verdicts("dirichlet", "efficientnetv2-unbalanced") == {"multiclass": "statistically tied"}
    helped = verdicts("dirichlet-from-simulated", "dirichlet")
    assert [board for board, verdict in helped.items() if verdict == "better"] == ["multilabel", "votes"]
    control = verdicts("dirichlet-longer", "dirichlet-from-simulated")
    assert "worse" not in control.values() and control["votes"] == "better"


def test_the_best_of_many_is_flattered_by_hand(editions: dict[str, Edition], monkeypatch: pytest.MonkeyPatch) -> None:
    draws = {"one": [0.5, 0.9, 0.7], "two": [0.8, 0.6, 0.6]}
    scored = {
        name: Result(
            "multiclass",
            "toy",
            10,
            {"macro_f1": Estimate(value, 0, 1)},
            [],
            {},
            {},
            {"macro_f1": np.array(draws[name])},
        )
        for name, value in (("one", 0.7), ("two", 0.65))
    }
    monkeypatch.setattr(Edition, "on", lambda self, board: scored)
    # The best of the three draws are two (+0.15), one (+0.2) and one (0).
    assert editions["gz2"].flattered("multiclass") == pytest.approx(0.35 / 3)


def test_what_does_not_stand_is_listed(editions: dict[str, Edition]) -> None:
    less = replace(editions["gz2"], missing=["A model nobody trained"])
    assert "- gz2: A model nobody trained" in page.text(editions | {"gz2": less}, [])


def test_without_entries_there_is_no_report(
    editions: dict[str, Edition], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(standings.stored_references, "read", lambda root: {})
    assert main(["limit", "--out", str(tmp_path / "docs")]) == 1
    assert "gz2 has no references yet" in capsys.readouterr().err
    assert not (tmp_path / "docs").exists()


def test_every_board_has_a_row_that_is_best(editions: dict[str, Edition]) -> None:
    for edition in editions.values():
        for board, kind in BOARDS.items():
            values = [s.metrics[kind.primary].value for s in edition.on(board).values()]
            assert values == sorted(values, reverse=kind.metrics[kind.primary].higher_is_better)
