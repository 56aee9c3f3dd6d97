"""What version 1 of the benchmark froze stays: titles and what the truth is called may be corrected, nothing else."""

from __future__ import annotations

import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

V1 = Path(__file__).parents[1] / "leaderboard" / "benchmark" / "v1.toml"

CORRECTED = ("title", "truth")
"""Keys of an edition that say in words what it is."""

RELEASED: dict[str, Any] = {
    "version": "1",
    "ranked_by": {
        "multiclass": "macro_f1",
        "multilabel": "macro_map",
        "hierarchical": "hierarchical_f1",
        "votes": "nll",
    },
    "training": {"multiclass": 0.46, "multilabel": 0.23, "hierarchical": 0.26, "votes": 0.13},
    "editions": {
        "gz2": {
            "tree": "GZ2",
            "simulated": False,
            "licence": "other",
            "credit": "SDSS, by the Kaggle Galaxy Zoo Challenge",
            "may_publish_images": False,
            "may_publish_votes": False,
            "content_hash": "352e4a609dc5e97c0e119777c46e5e8deaa0b3d16012163e699f29853503277b",
            "split_hash": "49e23db11d9fe6a87bd31681fe6bfc8bed74398ad829e1243a2cf557bc24b84c",
            "order_hash": "03619a00148e8b8b35150c23b136afe4f6cfee29250d55b3b0280ae3a14dbec6",
            "votes_hash": "312c04e3ba1c31e3667222d70f37811d80074f03c9b332f3c6f9f869214e8a57",
            "galaxies": 1000,
        },
        "sample": {
            "tree": "GZD5",
            "simulated": True,
            "licence": "CC0-1.0",
            "credit": "simulated, CC0-1.0",
            "may_publish_images": True,
            "may_publish_votes": True,
            "content_hash": "b57ba3baf35b5df4f14874735507b35e88393d093a0faff144fd5cf820968942",
            "split_hash": "e4ef103c52c1e5a4764b7b835b2b3982f3a51aff6e8864f9e11c04b8456619ca",
            "order_hash": "6923b061f202e0c896054d6699e4cbf00ead691f7589a29d19597e7b3be4ca89",
            "votes_hash": "ce7b6c8b059c3565c6932b89c77cbe2972166e36d9a366ea475b47de8bded38c",
            "galaxies": 410,
            "truth_sha256": "18cd68949e01d1bfb48a322d3775de42d50a222928781469e926a31838610424",
        },
        "simulated": {
            "tree": "GZD5",
            "simulated": True,
            "licence": "CC0-1.0",
            "credit": "simulated, CC0-1.0",
            "may_publish_images": True,
            "may_publish_votes": True,
            "content_hash": "3ab4c69d1440a8590bfea132e2f5351c21149c3ce8ba893af5c5d6ab976fa8b1",
            "split_hash": "0df15cc49965425b0e24e22ce34c61f647ca17ba7f3988466df0a0a247b2047c",
            "order_hash": "088e3b30e8f22571489325441982127ef3e0f832083eab4dd06bab0d2dcacf40",
            "votes_hash": "6c425804811166037b20a0dffca0d4015ade8c830a8cf176b8e104d808b56052",
            "galaxies": 3817,
            "truth_sha256": "a0aeed341432370b96c76670636374b53b060c73b8d2fe4ec79a201e94ab0f00",
        },
    },
}
"""Version 1 as commit 5a5bee4 had it, without those keys; the history of a clone may be too shallow to ask it."""


def changed(now: dict[str, Any]) -> list[str]:
    """Return what departs from version 1 as it was released, beyond titles and truths and new editions."""
    found = [key for key in RELEASED if key != "editions" and now.get(key) != RELEASED[key]]
    found += sorted(set(now) - set(RELEASED))
    for name, frozen in RELEASED["editions"].items():
        said = {k: v for k, v in now["editions"].get(name, {}).items() if k not in CORRECTED}
        found += [f"{name}.{key}" for key in sorted(said.keys() | frozen.keys()) if said.get(key) != frozen.get(key)]
    return found


def test_nothing_of_version_1_changed_but_what_editions_are_called() -> None:
    now = tomllib.loads(V1.read_text())
    assert changed(now) == []
    assert all(now["editions"][name]["truth"] in ("counts", "likelihoods") for name in RELEASED["editions"])


@pytest.mark.parametrize(
    "key", ["content_hash", "split_hash", "order_hash", "votes_hash", "galaxies", "licence", "tree"]
)
def test_a_change_of_anything_else_is_seen(key: str) -> None:
    now = tomllib.loads(V1.read_text())
    forged = deepcopy(now)
    forged["editions"]["gz2"][key] = "0" * 64
    assert changed(forged) == [f"gz2.{key}"]
    del forged["editions"]["gz2"][key]
    assert changed(forged) == [f"gz2.{key}"]
    forged = deepcopy(now)
    forged["editions"]["gz2"] |= {"title": "Another", "truth": "counts"}
    assert changed(forged) == []
    assert changed(now | {"ranked_by": {}}) == ["ranked_by"]
