"""The README's table of results: it is what the committed scores say, and nothing else is written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from galaxy_zoo_decals.scoring import BOARDS
from leaderboard.__main__ import main
from leaderboard.files import LeaderboardError
from leaderboard.ranking import stored_scores
from leaderboard.render import readme_table

ROOT = Path(__file__).parents[1]


def test_a_cell_is_the_mean_of_the_stored_scores(capsys: pytest.CaptureFixture[str]) -> None:
    main(["results"])
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("| Multi-label CNN 32-64-128-128 |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    place = 1 + list(BOARDS).index("multilabel")
    assert [bool(cell) for cell in cells[1:]] == [i == place for i in range(1, 5)]
    (slug,) = (p.name for p in (ROOT / "leaderboard" / "scores").glob("*-multi-label-cnn-32-64-128-128-best"))
    stored = [
        s.boards["multilabel"].metrics["macro_map"].value
        for s in stored_scores.read(ROOT / "leaderboard" / "scores" / slug)
    ]
    assert cells[place].startswith(f"{np.mean(stored):.3f} [")
    assert re.fullmatch(r"\d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\] [a-z]+", cells[place])
    assert "*noise ceiling*" in printed and "*class prior*" in printed


def test_the_table_is_put_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{readme_table.BEGIN}\nold\n{readme_table.END}\nafter\n")
    readme_table.write(path, "| new |")
    assert path.read_text() == f"before\n{readme_table.BEGIN}\n\n| new |\n\n{readme_table.END}\nafter\n"
    for text in ("no marks", readme_table.END + readme_table.BEGIN, 2 * (readme_table.BEGIN + readme_table.END)):
        path.write_text(text)
        with pytest.raises(LeaderboardError, match="put them there"):
            readme_table.write(path, "| new |")
        assert path.read_text() == text


def test_a_title_cannot_leave_its_cell() -> None:
    assert readme_table._plain("a|b <script> [x](y)") == r"a\|b \<script\> \[x\](y)"
