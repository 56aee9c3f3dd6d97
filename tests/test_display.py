"""Display names, tags and corrections of entries: one maintained file beside submissions that never change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from leaderboard.__main__ import main
from leaderboard.entry import display
from leaderboard.entry.display import Shown
from leaderboard.entry.truths import Truths
from leaderboard.files import DATA as HERE
from leaderboard.files import LeaderboardError
from leaderboard.ranking import entries, stored_scores

SLUG = "20261124-cnn-32-64-128-128-best"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("entries:\n- {slug: 20990101-nobody, note: Wrong}", "there is no submission '20990101-nobody'"),
        ("entries:\n- {slug: ../escape, note: Wrong}", "entries.0.slug"),
        ("entries:\n- {slug: 20260101-a, name: " + "x" * 201 + "}", "entries.0.name"),
        ("entries:\n- {slug: 20260101-a, note: " + "x" * 1001 + "}", "entries.0.note"),
        ("entries:\n- {slug: 20260101-a, tags: [" + "x" * 61 + "]}", "entries.0.tags.0"),
        ('entries:\n- {slug: 20260101-a, name: "two\\nlines"}', "entries.0.name"),
        ('entries:\n- {slug: 20260101-a, name: "turned\\u202e"}', "invisible character"),
        ("entries:\n- {slug: 20260101-a}", "neither name nor tags nor note"),
        ("entries:\n- {slug: 20260101-a, note: a}\n- {slug: 20260101-a, note: b}", "stands there twice"),
        ("entries:\n- {slug: 20260101-a, colour: red}", "colour"),
        ("entries: [", "not YAML"),
        ("- a", "valid dictionary"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "submissions" / "20260101-a").mkdir(parents=True)
    (tmp_path / "display.yaml").write_text(text)
    with pytest.raises(LeaderboardError) as caught:
        display.read(tmp_path / "display.yaml")
    assert words in str(caught.value) and "display.yaml" in str(caught.value)


def test_a_name_shown_stands_everywhere_and_the_submitted_one_on_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "CNN <b>of</b> 32-64-128-128"
    shown = Shown(slug=SLUG, name=name, tags=["<i>old</i>"], note="What it calls <votes> were none.")
    known = display.known() | {SLUG: shown}
    monkeypatch.setattr(display, "known", lambda: known)
    assert main(["site", "--out", str(tmp_path / "site")]) == 0
    escaped = "CNN &lt;b&gt;of&lt;/b&gt; 32-64-128-128"
    board = (tmp_path / "site" / "boards" / "gz2-multiclass.html").read_text()
    page = (tmp_path / "site" / "entries" / f"{SLUG}.html").read_text()
    assert f">{escaped}</a>" in board and "CNN 32-64-128-128, best" not in board
    assert "&lt;i&gt;old&lt;/i&gt;" in board
    # Of an entry without a tag that says so the row names the recipe itself: no recipe stands there twice.
    rows = re.findall(r'<tr id="([^"]+)">(.*?)</tr>', board, re.DOTALL)
    assert len(rows) > 3 and all(len(re.findall(r'(?:badge|recipe)">best<', row)) == 1 for _, row in rows)
    assert f"<h1>{escaped}</h1>" in page and "Submitted as “CNN 32-64-128-128, best”" in page
    assert "What it calls &lt;votes&gt; were none." in page and name not in page + board
    # Its run is of before: the settings stand there under their names of today.
    assert '<th scope="row">EMA decay</th><td>0.99</td>' in page and '<th scope="row">class balance</th>' in page
    assert not re.search(r'<th scope="row">(average|balance|balance by)</th>', page)
    # A name changes no score and no place.
    (entry,) = (e for e in entries.submitted(HERE, Truths({}))[0] if e.slug == SLUG)
    assert entry.title == name and entry.submission is not None and entry.submission.name == "CNN 32-64-128-128, best"
    assert [t.sha256 for t in entry.trained] == [
        s.prediction_sha256 for s in stored_scores.read(HERE / "scores" / SLUG)
    ]
