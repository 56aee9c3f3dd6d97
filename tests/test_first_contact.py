"""What people bring works or is named: the cases of `make campaign-first-contact`, each a claim."""

from __future__ import annotations

import pytest

from tests.campaigns.first_contact.__main__ import attempt, cases
from tests.campaigns.first_contact.case import Case, problems


@pytest.mark.campaign
@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.kind}: {case.situation}")
def test_what_people_bring_works_or_is_named(case: Case) -> None:
    outcome = attempt(case)

    assert not problems(case, outcome), outcome.said
