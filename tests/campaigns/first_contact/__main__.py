"""Everything people bring, tried: `make campaign-first-contact` writes docs/evidence/first-contact.md."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
import tempfile
from pathlib import Path

from galaxy_zoo_decals import git
from galaxy_zoo_decals.atomic import atomic_file
from tests.campaigns import first_contact
from tests.campaigns.first_contact.case import KINDS, Case, Outcome, problems

OUT = Path(__file__).parents[3] / "docs" / "evidence" / "first-contact.md"
LONGEST = 300
"""Characters of what is said that the table shows."""


def cases() -> list[Case]:
    """Return the cases of all modules beside this one, by kind."""
    found: list[Case] = []
    for module in pkgutil.iter_modules(first_contact.__path__):
        if module.name not in ("__main__", "case"):
            found += importlib.import_module(f"{first_contact.__name__}.{module.name}").CASES
    return sorted(found, key=lambda case: list(KINDS).index(case.kind))


def attempt(case: Case) -> Outcome:
    """Run a case in a folder of its own; the folder's name is taken out of the output."""
    with tempfile.TemporaryDirectory(prefix="first-contact-") as folder:
        outcome = case.run(Path(folder))
        return Outcome(outcome.status, outcome.said.replace(f"{folder}/", "").replace(folder, "."))


def main() -> int:
    """Try every case, write the table, and return 1 if one is not right."""
    lines, wrong = [], 0
    for kind, title in KINDS.items():
        chosen = [case for case in cases() if case.kind == kind]
        lines += ["", f"## {title}", "", "| what is brought | found by | what happens | status |", "|---|---|---|--:|"]
        for case in chosen:
            outcome = attempt(case)
            for problem in problems(case, outcome):
                print(f"{case.kind}: {case.situation}: {problem}\n{outcome.said}", file=sys.stderr)
                wrong += 1
            lines.append(f"| {case.situation} | {case.found} | {_cell(outcome.said)} | {outcome.status} |")
    head = "# First contact: what people bring, and what happens\n\nMade by `make campaign-first-contact` at "
    head += f"commit {git.ask(OUT.parent, 'rev-parse', '--short=12', 'HEAD')}. "
    head += f"{len(cases())} cases, each also a test. Status 0: it works; what is said is shown as it is, shortened.\n"
    with atomic_file(OUT) as beside:
        beside.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return int(wrong > 0)


def _cell(said: str) -> str:
    text = re.sub(r"\s+", " ", said).strip().replace("|", "\\|").replace("<", "&lt;")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


if __name__ == "__main__":
    sys.exit(main())
