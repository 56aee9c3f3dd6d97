"""Panels of volunteers: votes drawn down the tree from probabilities, and counts made from published fractions."""

from __future__ import annotations

import numpy as np

from galaxy_zoo_decals.schema import Question, Tree


def draw(tree: Tree, probabilities: np.ndarray, first_totals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the votes of a fresh panel, int64 (galaxies, answers), multinomial given the probabilities.

    ``probabilities`` (galaxies, answers) are conditional on being asked; ``first_totals`` (galaxies,) volunteers
    answer the first question, and those who give an answer are asked what comes after it.
    """
    votes = np.zeros(probabilities.shape, dtype=np.int64)
    for q in tree.questions:
        columns = tree.slices[q.name]
        p = probabilities[:, columns]
        votes[:, columns] = rng.multinomial(asked(tree, q, votes, first_totals), p / p.sum(axis=1, keepdims=True))
    return votes


def recount(tree: Tree, shares: np.ndarray, first_totals: np.ndarray) -> np.ndarray:
    """Return votes, int64 (galaxies, answers), as near to the shares as whole numbers come.

    ``shares`` (galaxies, answers) need not be normalised; a question whose shares are NaN or all 0 gets no votes,
    and neither do those behind it. Largest remainders round, top-down, so that totals agree.
    """
    votes = np.zeros(shares.shape, dtype=np.int64)
    for q in tree.questions:
        columns = tree.slices[q.name]
        part = np.nan_to_num(shares[:, columns])
        summed = part.sum(axis=1, keepdims=True)
        total = np.where(summed[:, 0] > 0, asked(tree, q, votes, first_totals), 0)
        normalised = np.divide(part, summed, out=np.zeros_like(part), where=summed > 0)
        votes[:, columns] = largest_remainder(normalised, total)
    return votes


def asked(tree: Tree, question: Question, votes: np.ndarray, first_totals: np.ndarray) -> np.ndarray:
    """Return how many volunteers come to a question, (galaxies,), given the votes for the answers before it."""
    if not question.parents:
        return np.asarray(first_totals)
    total: np.ndarray = votes[:, [tree.answer_index[parent] for parent in question.parents]].sum(axis=1)
    return total


def largest_remainder(shares: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return whole numbers (rows, parts) near shares * total that sum to ``total`` (rows,).

    Shares sum to 1 a row; of equal remainders the first gets the vote.
    """
    # Rounded, so that remainders equal on paper are equal here and every machine gives the vote to the same one.
    exact = np.round(shares * np.asarray(total)[:, None], 9)
    floor = np.floor(exact).astype(np.int64)
    left = np.asarray(total) - floor.sum(axis=1)
    rank = np.argsort(np.argsort(-np.round(exact - floor, 9), axis=1, kind="stable"), axis=1)
    return np.where(np.asarray(total)[:, None] > 0, floor + (rank < left[:, None]), 0)
