"""A small case of the campaign of damaged submissions, and that the campaign has what was asked of it."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.campaigns import mutations

pytestmark = pytest.mark.campaign

SMALL = (
    "two classes exchanged",
    "names of two megabytes each in a few kilobytes",
    "a page that claims to unpack to two gigabytes",
    "names that are no UTF-8",
    "a link to a folder of the machine",
    "the scorer edited too",
    "a merged entry's scores changed",
)


def small_case() -> tuple[mutations.Outcome, list[mutations.Outcome]]:
    return mutations.run([k for k in mutations.KINDS if k.name in SMALL])


def test_small_case_of_the_campaign() -> None:
    # In a process of its own: the peak memory of a fork begins with that of the process it came from.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        undamaged, outcomes = fresh.submit(small_case).result()
    assert len(outcomes) == len(SMALL)
    assert undamaged.caught, undamaged.problem
    assert [o.name for o in outcomes if o.problem] == [], [(o.name, o.problem, o.said) for o in outcomes if o.problem]
