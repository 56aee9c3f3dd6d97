"""Simulated rows in the very shape of the published table of GZD-5: its 127 columns, and its lost merging votes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from galaxy_zoo_decals.schema import GZD5
from galaxy_zoo_decals.simulation.galaxy import distance_modulus

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


DEBIASED_REDSHIFTS = (0.02, 0.15)
DEBIASED_MAGNITUDES = (-23.0, -21.5)
DEBIASED_VOTES = 30
"""Where GZD-5 has debiased fractions (Walmsley et al. 2022, section 4.3)."""


def catalogue_table(catalogue: pd.DataFrame) -> pd.DataFrame:
    """Return the catalogue with the columns of the GZD-5 file, _fraction and _debiased among them.

    A simulated ``_debiased`` is the fraction where GZD-5 would define one, else NaN: there is no bias to correct.
    """
    table = catalogue[["iauname", "ra", "dec", "redshift"]].copy()
    modulus = distance_modulus(table["redshift"].to_numpy(float))
    magnitude = catalogue["mag_r"].to_numpy(float) - modulus
    table["elpetro_absmag_r"] = magnitude
    table["sersic_nmgy_r"] = 10 ** (0.4 * (22.5 - catalogue["mag_r"].to_numpy(float)))
    for column in ("mag_r", "petro_th50", "petro_th90", "petro_theta", "upload_group"):
        table[column] = catalogue[column]
    table["active_learning_on"] = catalogue["upload_group"].isin(["active_priority", "active_baseline"])
    table["wrong_size_warning"] = catalogue["wrong_size_warning"]
    table["png_loc"] = catalogue["iauname"].str[:4] + "/" + catalogue["iauname"] + ".png"
    redshift = table["redshift"].to_numpy(float)
    root = catalogue[GZD5.questions[0].total].to_numpy()
    debiased = (root >= DEBIASED_VOTES) & (redshift > DEBIASED_REDSHIFTS[0]) & (redshift < DEBIASED_REDSHIFTS[1])
    debiased &= (magnitude > DEBIASED_MAGNITUDES[0]) & (magnitude < DEBIASED_MAGNITUDES[1])
    columns: dict[str, np.ndarray] = {}
    for question in GZD5.questions:
        total = catalogue[question.total].to_numpy()
        columns[question.total] = total
        for column in question.columns:
            votes = catalogue[column].to_numpy()
            fraction = np.divide(votes, total, out=np.full(len(votes), np.nan), where=total > 0)
            columns[column] = votes
            columns[f"{column}_fraction"] = fraction
            columns[f"{column}_debiased"] = np.where(debiased, fraction, np.nan)
    return pd.concat([table, pd.DataFrame(columns, index=table.index)], axis=1)


def as_published(table: pd.DataFrame, seed: int = 5) -> pd.DataFrame:
    """Return a table of ``catalogue_table`` as Zenodo has it: other columns, and lost votes.

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
