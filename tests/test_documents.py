"""What the documents show works as they show it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from benchmark import evaluation, recipes
from galaxy_zoo_decals import models
from galaxy_zoo_decals.edition import Edition
from tests.harness import train

ROOT = Path(__file__).parents[1]


def test_the_model_of_the_page_on_extending_trains_and_is_loaded_again(
    toy_edition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "extending.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (settings,) = re.findall(r'"linear": (Recipe\(.*?\))`', text)
    made: dict[str, object] = {"__name__": "galaxy_zoo_decals.models.linear"}
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
