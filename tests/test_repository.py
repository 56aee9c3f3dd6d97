"""What is committed is that of today: pages, tables, schemas, lists, locks, workflows, the maintainers' plans.

These tests fail through a stale file, not through a wrong program; what to run stands in the message.
"""

from __future__ import annotations

import importlib
import json
import re
import shlex
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml

from benchmark import plan as boards
from benchmark import run as training
from benchmark.recipes import RECIPES, Backbone
from galaxy_zoo_decals import cli
from galaxy_zoo_decals.edition import Edition, digest
from galaxy_zoo_decals.prepare import chosen_source
from galaxy_zoo_decals.prepare.card import card
from galaxy_zoo_decals.prepare.edition_columns import edition_features
from galaxy_zoo_decals.scoring.boards import multiclass
from galaxy_zoo_decals.sources.kaggle import TABLE, read_list
from leaderboard.__main__ import main
from leaderboard.check import lookalikes, submission_check
from leaderboard.entry import display, json_schema
from leaderboard.entry.truths import Truths
from leaderboard.files import DATA as HERE
from leaderboard.ranking import entries
from leaderboard.render import readme_table
from leaderboard.render.limit import page as limit_page
from leaderboard.render.limit import standings
from leaderboard.render.real_votes import RealVotes
from tests import rooms
from tests.campaigns import mutations
from tests.campaigns.real_votes import report as real_votes_report
from tests.conftest import LONGEST
from tests.test_claims import sentences
from tests.test_display import SLUG
from tests.test_gz2 import REAL
from tests.test_workflows import WORKFLOWS, read

pytestmark = pytest.mark.repository

ROOT = Path(__file__).parents[1]
EVIDENCE = ROOT / "docs" / "evidence"
CAMPAIGNS = sorted(path.stem for path in (ROOT / "tests" / "campaigns").glob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_campaign_finds_all_it_imports(name: str) -> None:
    assert importlib.import_module(f"tests.campaigns.{name}").__doc__


def test_every_campaign_of_the_makefile_is_there_and_says_what_it_measured() -> None:
    makefile, index = (ROOT / "Makefile").read_text(), (ROOT / "docs" / "evidence" / "README.md").read_text()
    called = set(re.findall(r"tests[./]campaigns[./](\w+)", makefile))
    runnable = {name for name in CAMPAIGNS if "__main__" in (ROOT / "tests" / "campaigns" / f"{name}.py").read_text()}
    runnable |= {main.parent.name for main in (ROOT / "tests" / "campaigns").glob("*/__main__.py")}
    assert called == runnable and len(called) > 10
    for target in re.findall(r"^campaign-([a-z0-9-]+):", makefile, re.MULTILINE):
        assert f"make campaign-{target}" in index, f"docs/evidence/README.md names no result of campaign-{target}"
    for table in re.findall(r"\]\(([\w-]+\.md)\)", index):
        assert (ROOT / "docs" / "evidence" / table).is_file()


def test_kinds_of_damage_are_many_and_apart() -> None:
    names = [k.name for k in mutations.KINDS]
    assert len(names) == len(set(names)) >= 60


@pytest.mark.skipif(not (EVIDENCE / "mutations.json").is_file(), reason="the campaign has not been run")
def test_the_table_is_of_the_kinds_there_are() -> None:
    told = json.loads((EVIDENCE / "mutations.json").read_text())
    assert [t["damage"] for t in told[1:]] == [k.name for k in mutations.KINDS], "run `make campaign-mutations`"
    assert all(t["caught"] for t in told)


@pytest.mark.skipif(not (EVIDENCE / "real-votes.json").is_file(), reason="the campaign's table is not there")
def test_the_committed_tables_are_those_of_the_committed_numbers() -> None:
    measured = json.loads((EVIDENCE / "real-votes.json").read_text())
    assert real_votes_report.markdown(measured) == (EVIDENCE / "real-votes.md").read_text(encoding="utf-8")


def test_every_entry_of_ours_is_in_the_plan() -> None:
    plan = boards.read()
    planned = {(entry.edition, entry.name) for entry in plan.entries}
    ours = set(boards.standing(HERE, plan.signed))
    assert len(ours) > 5
    without_the_harness = {("sample", "Pixel features, extremely randomised trees")}
    assert ours - without_the_harness <= planned


def test_the_plan_for_the_whole_survey_holds_every_model_of_both_recipes() -> None:
    plan = boards.read(boards.PLAN.with_name("boards-gzd5.yaml"))
    made = {(entry.model, entry.recipe) for entry in plan.entries if not entry.together}
    five = ("multiclass", "multilabel", "hierarchical", "efficientnetv2", "dirichlet")
    assert made == {(model, recipe) for model in five for recipe in ("student", "best")}
    assert plan.editions["gzd5"]["prepare"][:3] == ["galaxy-zoo-decals", "prepare", "gzd5"]
    for entry in (entry for entry in plan.entries if entry.model):
        recipe = RECIPES[str(entry.recipe)][str(entry.model)]
        pretrained = isinstance(recipe, Backbone) and recipe.weights == "imagenet"
        assert entry.backbone == (recipe.backbone if pretrained else None), "the facts say what it was pretrained on"
    assert plan.signed.official is False


def test_the_readme_holds_the_table_of_today(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results"]) == 0
    printed = capsys.readouterr().out.strip()
    text = (ROOT / "README.md").read_text()
    assert f"{readme_table.BEGIN}\n\n{printed}\n\n{readme_table.END}" in text, (
        "python -m leaderboard results --into README.md"
    )


def test_the_committed_report_is_that_of_today() -> None:
    found, warnings = standings.read(HERE, Truths.on_this_machine([], []))
    assert not warnings
    curve = json.loads(limit_page.CURVE.read_text())
    assert (limit_page.DOCS / "limit.md").read_text() == limit_page.text(found, curve, RealVotes.read()), "make report"


def test_the_schemas_are_those_of_the_models() -> None:
    for name, text in json_schema.generate().items():
        stored = (HERE / "schema" / name).read_text()
        assert stored == text, f"{name} is stale: run `python -m leaderboard schema` and commit"


def test_the_example_is_the_entry() -> None:
    facts = yaml.safe_load((ROOT / "docs" / "examples" / "pixel_features.yaml").read_text())
    (slug,) = (p.name for p in (HERE / "submissions").iterdir() if "pixel-features" in p.name)
    said = yaml.safe_load((HERE / "submissions" / slug / "submission.yaml").read_text())
    facts.pop("run")
    assert {k: v for k, v in said.items() if k in facts} == facts


def test_the_committed_file_names_entries_once_and_tells_them_apart() -> None:
    found = display.read(display.FILE)
    assert SLUG in found
    shown, warnings = entries.submitted(HERE, Truths({}))
    assert not warnings
    titles = [entry.title for entry in shown]
    assert len(set(titles)) == len(titles)
    # What differs is in the name; the recipe, which is a tag, is not.
    for entry in shown:
        (recipe,) = {one.run.recipe_name for one in entry.trained}
        assert not {"best", "quick", "paper"} & set(entry.title.split(", ")), entry.title
        assert recipe == "pixel features" or (entry.shown and entry.shown.tags == [recipe]), entry.slug
    assert not any(lookalikes.same(title, row) for title in titles for row in submission_check.REFERENCES)


def test_the_committed_list_holds_the_frozen_test_galaxies() -> None:
    folder = HERE / "benchmark"
    names = read_list(folder / "v1" / "gz2-galaxies.txt")
    frozen = tomllib.loads((folder / "v1.toml").read_text())["editions"]["gz2"]
    assert len(names) == 9064 and list(names) == sorted(names, key=int)
    assert digest(sorted(names[: frozen["galaxies"]])) == frozen["order_hash"]
    if REAL.is_dir():
        assert sorted(names) == sorted(pd.read_csv(REAL / TABLE, dtype=str)["GalaxyID"])


def test_the_sample_says_what_an_edition_prepared_today_says(toy_edition: Path) -> None:
    edition, toy = Edition.open("sample"), Edition(toy_edition)
    assert list(edition.facts) == list(toy.facts) and set(edition.facts["cleaning"]) == set(toy.facts["cleaning"])  # type: ignore[call-overload]
    extra = tuple(edition.facts["extra_columns"])  # type: ignore[arg-type]
    assert (edition.path / "README.md").read_text() == card(edition.facts, edition_features(edition.tree, extra))


def test_the_line_of_the_page_on_extending_is_the_code() -> None:
    (line,) = re.findall(r"`(lambda s: macro.*?)`", (ROOT / "docs" / "extending.md").read_text())
    source = Path(multiclass.__file__).read_text()
    assert re.search(rf'Metric\("balanced_accuracy",[^)]*{re.escape(line)}\)', source, re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_the_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/limit.md",
        "docs/scores.md",
        "docs/evidence/gz2.md",
        "docs/evidence/volunteers.md",
        "docs/evidence/learning-curve.md",
    ],
)
def test_no_document_claims_one(name: str) -> None:
    assert sentences((ROOT / name).read_text()) == []


def test_the_commands_of_the_readme_are_understood() -> None:
    text = (ROOT / "README.md").read_text().partition("## Real galaxies in five minutes")[2].partition("\n## ")[0]
    commands = [shlex.split(line, comments=True) for line in text.split("```")[1].strip().splitlines()]
    assert [command[0] for command in commands] == ["galaxy-zoo-decals"] * 3 + ["accelerate"]
    first, second, third = (cli.parser().parse_args(command[1:]) for command in commands[:3])
    assert first.images == "hub-tiny" and third.out.name == "contact-sheet.png"
    assert second.edition == chosen_source.name_of_survey(first)
    assert commands[3][1:4] == ["launch", "--quiet", "benchmark/run.py"]
    assert training.parser().parse_args(commands[3][4:]).model == "multiclass"


def test_the_citation_file_is_valid() -> None:
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert said["cff-version"] == "1.2.0" and {"title", "message", "authors"} <= set(said)
    dois = {reference["doi"] for reference in said["references"]}
    assert {"10.1093/mnras/stab2093", "10.5281/zenodo.4573248"} <= dois


def test_no_address_is_spelled_elsewhere() -> None:
    """Hosts that code reads from stand in addresses.py alone."""
    reads = re.compile(r"https?://(?:\w+\.)*(?:zenodo\.org|huggingface\.co|hf\.co|legacysurvey\.org)[^\s\"']*")
    for path in (
        p for folder in ("galaxy_zoo_decals", "benchmark", "leaderboard") for p in (ROOT / folder).rglob("*.py")
    ):
        if path.name != "addresses.py":
            assert not reads.search(path.read_text()), path


def test_no_workflow_gives_a_pull_request_more_than_it_may_have() -> None:
    assert {p.stem for p in WORKFLOWS} == {"check", "pages", "score", "tests"}
    for path in WORKFLOWS:
        text = path.read_text()
        content = yaml.safe_load(text)  # which reads the key `on` as true
        assert content["permissions"] == {}, f"{path.name}: rights are given job by job"
        assert "${{ secrets" not in text and "run-id" not in text, "no result of another run is taken over"
        for job in content["jobs"].values():
            writes = {right for right, level in job["permissions"].items() if level == "write"}
            steps = [step.get("run", "") for step in job["steps"]]
            assert not (writes and any("python" in step for step in steps)), "who may write runs no package"
            for step in job["steps"]:
                if "uses" in step:
                    assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"]), f"{path.name}: {step['uses']}"
                    if "checkout" in step["uses"] and "contents" not in writes:
                        assert step["with"]["persist-credentials"] is False
                assert "${{" not in step.get("run", ""), f"{path.name}: what others chose reaches shells as variables"
            if "pull_request" in content[True]:
                assert job["permissions"] == {"contents": "read"}
            if "pull_request_target" in content[True]:
                refs = [s["with"].get("ref") for s in job["steps"] if "checkout" in s.get("uses", "")]
                assert set(refs) <= {"main"}, "nothing but main is checked out, and not main as it was"


def test_one_action_has_one_hash_and_names_its_version() -> None:
    found: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for line in path.read_text().splitlines():
            if re.match(r" *(- )?uses: ", line):
                action, rest = line.split("uses: ")[1].split("@", 1)
                assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", rest), line
                found.setdefault(action, set()).add(rest)
    assert all(len(pins) == 1 for pins in found.values())


def test_packages_of_jobs_with_a_token_are_bound_to_hashes() -> None:
    for path in WORKFLOWS:
        for line in path.read_text().splitlines():
            if "pip install" in line:
                assert "--require-hashes --only-binary :all: --requirement leaderboard/requirements.lock" in line
    lock = (ROOT / "leaderboard" / "requirements.lock").read_text()
    every = set((ROOT / "requirements.lock").read_text().splitlines())
    pinned = re.findall(r"^(\S+==[^\\\n]*?) *\\$", lock, re.M)
    every = {line.split(" ;")[0] for line in every}
    assert len(pinned) > 20 and {line.split(" ;")[0] for line in pinned} <= every, "run `make lock`"
    assert all("--hash=sha256:" in part for part in re.split(r"^\S+==", lock, flags=re.M)[1:])


def test_the_tests_run_on_every_python_that_is_supported() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    supported = [c.rsplit(" ", 1)[1] for c in classifiers if re.search(r":: 3\.\d+$", c)]
    (job,) = read("tests")["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == supported


def test_the_files_that_begin_first_are_there() -> None:
    assert all((ROOT / "tests" / f"{name}.py").is_file() for name in LONGEST)


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


def test_the_help_of_prepare_names_todays_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    from galaxy_zoo_decals import cli
    from galaxy_zoo_decals.image_files import QUALITY, SIZE

    with pytest.raises(SystemExit):
        cli.main(["prepare", "catalogue", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert f"JPEG quality ({QUALITY})" in said and f"side of the images in pixels ({SIZE})" in said
