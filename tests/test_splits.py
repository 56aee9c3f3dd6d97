from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from galaxy_zoo_decals import splits


def test_sky_cells_by_hand() -> None:
    # dec 10.3: i = floor(100.3 / 0.5) = 200, the band's centre is 10.25; j = floor(180 cos(10.25) / 0.5).
    i, j = splits.sky_cell(np.array([180.0]), np.array([10.3]))
    assert (i[0], j[0]) == (200, int(180 * np.cos(np.radians(10.25)) / 0.5))


def test_the_split_is_the_hash_of_the_cell() -> None:
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 400), rng.uniform(-20, 35, 400)
    slow = []
    for a, d in zip(ra, dec):
        i = int((d + 90) // 0.5)
        j = int((a * np.cos(np.radians((i + 0.5) * 0.5 - 90))) // 0.5)
        number = int(hashlib.sha256(f"{i}:{j}".encode()).hexdigest(), 16) % 100
        slow.append("train" if number < 70 else "validation" if number < 80 else "test")
    assert splits.by_sky_cell(ra, dec).tolist() == slow


def test_neighbours_share_a_split_and_shares_are_70_10_20() -> None:
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 40_000), np.degrees(np.arcsin(rng.uniform(-0.3, 0.55, 40_000)))
    names = splits.by_sky_cell(ra, dec)
    cells = pd.DataFrame(np.column_stack(splits.sky_cell(ra, dec)))
    assert (pd.Series(names).groupby([cells[0], cells[1]]).nunique() == 1).all()
    share = pd.Series(names).value_counts(normalize=True)
    assert abs(share["train"] - 0.7) < 0.02 and abs(share["test"] - 0.2) < 0.02


def test_the_lowest_ids_are_the_test_split() -> None:
    ids = np.array(["900", "30", "1000", "7", "88"])
    names = splits.by_galaxy_id(ids, tests=2)
    assert names[[1, 3]].tolist() == ["test", "test"]
    expected = ["validation" if splits.bucket(i) < 10 else "train" for i in ("900", "1000", "88")]
    assert names[[0, 2, 4]].tolist() == expected


def test_scored_galaxies_are_unselected_and_have_many_votes() -> None:
    catalogue = pd.DataFrame(
        {
            "smooth-or-featured_total-votes": [34, 33, 40, 40],
            "upload_group": pd.array(["pre_active", "pre_active", "targeted", "pre_active"], dtype="string"),
            "random_selection": pd.array([None] * 4, dtype="boolean"),
            "wrong_size_warning": pd.array([False, False, False, True], dtype="boolean"),
        }
    )
    assert splits.scored(catalogue).tolist() == [True, False, False, False]
    catalogue["random_selection"] = pd.array([False, True, True, None], dtype="boolean")
    assert splits.scored(catalogue).tolist() == [False, False, True, False], "the column is asked where there is one"
