"""What the documents show works as they show it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from benchmark import evaluation, models, recipes
from galaxy_zoo_decals.edition import Edition
from galaxy_zoo_decals.scoring.boards import multiclass
from tests import rooms
from tests.harness import train

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_model_of_the_page_on_extending_trains_and_is_loaded_again(
    toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "extending.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (settings,) = re.findall(r'"linear": (Recipe\(.*?\))`', text)
    made: dict[str, object] = {"__name__": "benchmark.models.linear"}
    exec(code, made)
    kind = made["LinearModel"]
    monkeypatch.setitem(models.MODELS, "linear", kind)  # type: ignore[arg-type]
    recipe = eval(settings, {"Recipe": recipes.Recipe})
    accelerator, edition = Accelerator(cpu=True), Edition(toy_edition)
    model, done, data = train(accelerator, edition, recipe, "linear")
    (curve,) = done.curves
    assert curve.points[-1].train_loss < curve.points[0].train_loss, "it learns"
    found = evaluation.predict(accelerator, model, data)
    assert found.shape == (len(data.truth.names), 4) and np.allclose(found.sum(axis=1), 1)
    model.save_pretrained(tmp_path / "model")
    again = kind.from_pretrained(tmp_path / "model").eval()  # type: ignore[attr-defined]
    with torch.inference_mode():
        assert torch.equal(*(one.answer(torch.full((1, 3, 64, 64), 0.3)) for one in (model.eval(), again)))


def test_the_line_of_the_page_on_extending_is_the_code() -> None:
    (line,) = re.findall(r"`(lambda s: macro.*?)`", (ROOT / "docs" / "extending.md").read_text())
    source = Path(multiclass.__file__).read_text()
    assert re.search(rf'Metric\("balanced_accuracy",[^)]*{re.escape(line)}\)', source, re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_the_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_contributing_counts_the_rooms_of_today() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    begin, end = "<!-- rooms:begin -->\n", "\n<!-- rooms:end -->"
    assert text[text.index(begin) + len(begin) : text.index(end)] == rooms.table(), "python -m tests.rooms"


def test_every_module_that_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+/(?:[a-z_]+/)?)`(?: itself)? \| (.*) \|$", text, re.MULTILINE)
    named = [ROOT / room / name for room, words in rows for name in re.findall(r"`([a-z_]+/?)`", words)]
    assert len(named) > 40
    absent = [str(path.relative_to(ROOT)) for path in named if not (path.is_dir() or path.with_suffix(".py").is_file())]
    assert not absent
