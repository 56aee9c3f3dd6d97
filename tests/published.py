"""Simulated rows in the very shape of the published table of GZD-5: its 127 columns, and its lost merging votes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from galaxy_zoo_decals.schema import GZD5

BEFORE = (
    "iauname", "ra", "dec", "redshift", "elpetro_absmag_r", "sersic_nmgy_r", "petro_th50", "petro_th90", "petro_theta",
    "upload_group", "active_learning_on", "in_gzd_ab", "png_loc",
)  # fmt: skip
AFTER = ("wrong_size_statistic", "wrong_size_warning")

COLUMNS = (
    *BEFORE,
    *(
        column
        for q in GZD5.questions
        for column in (q.total, *(f"{c}{end}" for c in q.columns for end in ("", "_fraction", "_debiased")))
    ),
    *AFTER,
)
"""The columns of the published table, in its order."""

CHANGED = 0.5
"""Share of the galaxies of pre_active that were shown to volunteers before the merging question was changed."""


def as_published(table: pd.DataFrame, seed: int = 5) -> pd.DataFrame:
    """Return a table of simulation.survey.catalogue_table as Zenodo has it: other columns, and lost votes.

    Half of the galaxies of pre_active met the merging question while it had other answers, a random share of their
    volunteers each: those who did not say merger then have no answer any more, and are in the total alone.
    """
    rng = np.random.default_rng(seed)
    out = table.reset_index(drop=True).drop(columns=["mag_r", "random_selection"], errors="ignore")
    places = "dr5/" + out["iauname"].str[:4] + "/" + out["iauname"] + ".png"
    out = out.drop(columns=["png_loc", "wrong_size_statistic"], errors="ignore")
    added = {"in_gzd_ab": False, "wrong_size_statistic": 20.0, "png_loc": places}
    out = pd.concat([out, pd.DataFrame(added, index=out.index)], axis=1)
    merging = GZD5.question("merging")
    votes = out[list(merging.columns)].to_numpy(int)
    early = (out["upload_group"] == "pre_active").to_numpy() & (rng.random(len(out)) < CHANGED)
    # Most early galaxies were done with before the change, a few were half done.
    share = np.where(early, np.where(rng.random(len(out)) < 0.7, 1.0, rng.random(len(out))), 0.0)
    lost = rng.binomial(votes[:, :-1], share[:, None])
    votes[:, :-1] -= lost
    total = out[merging.total].to_numpy(float)
    for column, values in zip(merging.columns, votes.T):
        out[column] = values
        out[f"{column}_fraction"] = np.divide(values, total, out=np.full(len(out), np.nan), where=total > 0)
    return out[list(COLUMNS)]
