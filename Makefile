# Everything a fresh machine with python3 >= 3.11 (with venv), make and git needs to do with this repository.

PYTHON ?= python3
BIN := .venv/bin
RUNS := runs
SITE := build/site
DEVICE ?= cpu

# What a shell, another project or a cluster's modules left in the environment is kept from .venv: other places to
# install to or to import from, other rules for the locked packages. Addresses of mirrors and proxies stay.
unexport PYTHONPATH PYTHONHOME PYTHONUSERBASE PYTHONSTARTUP PYTHONPLATLIBDIR VIRTUAL_ENV CONDA_PREFIX
unexport PIP_REQUIRE_VIRTUALENV PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_DRY_RUN PIP_CONSTRAINT
unexport PIP_REQUIRE_HASHES PIP_NO_BINARY PIP_NO_DEPS PIP_ONLY_BINARY PIP_PLATFORM PIP_PYTHON_VERSION PIP_IGNORE_INSTALLED
unexport UV_PYTHON UV_SYSTEM_PYTHON UV_PROJECT UV_PROJECT_ENVIRONMENT UV_WORKING_DIR UV_CONFIG_FILE UV_TARGET UV_PREFIX
unexport UV_CONSTRAINT UV_OVERRIDE UV_EXCLUDE UV_EXCLUDE_NEWER UV_REQUIRE_HASHES UV_RESOLUTION UV_PRERELEASE
unexport UV_NO_BINARY UV_NO_BINARY_PACKAGE UV_NO_BUILD UV_NO_BUILD_PACKAGE UV_BREAK_SYSTEM_PACKAGES UV_VENV_SEED

help:            ## show what there is to make
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: .venv/installed  ## a virtual environment in .venv with the locked packages

# uv installs the locked packages in about half a minute; it lives in an environment of its own, since the
# locked one is made to hold exactly what the lock says.
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "python3 >= 3.11 is needed; this is $$($(PYTHON) --version). Try make PYTHON=python3.12 ..."; exit 1; }
	@test -x .venv/uv/bin/uv || { $(PYTHON) -m venv --clear .venv/uv && .venv/uv/bin/python -m pip install -q 'uv>=0.9,<1'; }
	@test -x $(BIN)/python || .venv/uv/bin/uv venv -q --allow-existing --python $(PYTHON) .venv
	.venv/uv/bin/uv pip sync -q --python $(BIN)/python requirements.lock
	.venv/uv/bin/uv pip install -q --python $(BIN)/python --no-deps --editable .
	@touch $@

benchmark: setup  ## train and score every model on the embedded sample (CPU, minutes) and render the site
	$(BIN)/accelerate launch --config_file benchmark/one_process.yaml --quiet benchmark/run.py --model all --edition sample --recipe quick --seed 0 --overwrite
	$(BIN)/python -m leaderboard site --runs $(RUNS) --out $(SITE)

site: setup  ## render the leaderboard from the committed entries
	$(BIN)/python -m leaderboard site --out $(SITE)

serve: setup     ## the site at http://127.0.0.1:8000, with your own runs if there are any
	$(BIN)/python -m leaderboard site $$(test ! -d $(RUNS) || echo --runs $(RUNS)) --out $(SITE)
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(SITE) 8000

# make boards TRUTH=gz2=PATH of training_solutions_rev1.csv, where the edition gz2 is not on the machine
boards: setup  ## train, submit and score the entries of benchmark/boards.yaml that are not there yet (hours, resumable)
	$(BIN)/python benchmark/plan.py $(foreach t,$(TRUTH),--truth $(t))

report: setup  ## write docs/limit.md, "Is 80 % the data's limit?", and its figures from the stored scores
	$(BIN)/python -m leaderboard limit

notebook: setup  ## run docs/first-steps.ipynb and write its outputs anew (a minute)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.notebook

test: setup  ## lint, types and all tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

campaign-coverage: setup  ## how often 95 % intervals cover what they estimate (hours; docs/evidence/coverage.md)
	$(BIN)/python -m tests.campaigns.coverage

campaign-ranks: setup  ## false separations and power of the ranks (ten minutes; docs/evidence/ranks.md)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.campaigns.ranks

campaign-scoring: setup  ## 20 entries on 51,000 galaxies, all boards (a minute; docs/evidence/scoring-speed.md)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.campaigns.scoring_speed

campaign-volunteers: setup  ## how many volunteers the models below RUNS are worth (docs/evidence/volunteers.md)
	$(BIN)/python -m tests.campaigns.volunteers $$(test ! -d $(RUNS) || echo $(RUNS)) $(foreach t,$(TRUTH),--truth $(t))

campaign-simulation: setup  ## simulated galaxies and votes against real ones, and the speed (docs/evidence/simulation-*)
	$(BIN)/python tests/campaigns/simulation_realism.py
	$(BIN)/python tests/campaigns/simulation_votes.py
	$(BIN)/python tests/campaigns/simulation_speed.py

campaign-transfer: setup  ## a CNN trained on simulated galaxies, on real ones (half an hour; GZ2=FOLDER; docs/evidence/simulation-transfer.md)
	$(BIN)/python -m tests.campaigns.simulation_transfer $(GZ2)

campaign-real-votes: setup  ## models and the noise ceiling on real votes (hours; VOTES=FOLDER GZ2=FOLDER; docs/evidence/real-votes.md)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.campaigns.real_votes $(VOTES) $(GZ2)

campaign-site: setup  ## the site with 100 entries: time, size, axe, HTML checker, Lighthouse (docs/evidence/site.md)
	$(BIN)/python tests/campaigns/site.py

campaign-mutations: setup  ## nearly 200 kinds of damage to a submission (half an hour; docs/evidence/mutations.md)
	$(BIN)/python tests/campaigns/mutations.py

campaign-cheating: setup  ## copies, seeds of one training and leaked votes: what is detected (minutes; docs/evidence/cheating.md)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.campaigns.cheating

campaign-kills: setup  ## kill a preparation fifty times and go on (most of an hour; docs/evidence/kills.md)
	$(BIN)/python tests/campaigns/kills.py

campaign-lost-votes: setup  ## what lost merging votes do to fractions and classes (a minute; docs/evidence/lost-votes.md)
	$(BIN)/python -m tests.campaigns.lost_votes

# make campaign-numerics TRUTH=gz2=PATH scores the entries of gz2 anew too
campaign-numerics: setup  ## numerical accuracy of the scorer against exact fractions (a minute; docs/evidence/numerics.md)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.campaigns.numerics $(foreach t,$(TRUTH),--truth $(t))

campaign-first-contact: setup  ## what people bring, tried (a minute; docs/evidence/first-contact.md)
	$(BIN)/python -m tests.campaigns.first_contact

campaign-first-hour: setup  ## clone, install, train, predict, submit, with a stranger's mistakes (minutes; docs/evidence/first-hour.md)
	$(BIN)/python -m tests.campaigns.first_hour

campaign-scale: setup  ## 107,000 galaxies through the whole path (half an hour, 20 GB; docs/evidence/scale.md)
	$(BIN)/python tests/campaigns/scale.py

campaign-gz2: setup  ## every model on the Kaggle galaxies, three times (hours; GZ2=FOLDER of the Kaggle files; docs/evidence/gz2.md)
	$(BIN)/python -m tests.campaigns.gz2 $(GZ2)

campaign-image-size: setup  ## one model on images of 224 and of 424 pixels (an hour; GZ2=FOLDER; docs/evidence/image-size.md)
	$(BIN)/python -m tests.campaigns.image_size $(GZ2)

# The editions gz2 and simulated have to be the benchmark's: docs/reproducing.md.
campaign-learning: setup  ## two models on fewer galaxies (hours; docs/evidence/learning-curve.md)
	$(BIN)/python -m tests.campaigns.learning_curve

# On a GPU: make campaign-throughput DEVICE=h200
campaign-throughput: setup  ## images a second of every model and its parts (15 minutes; docs/evidence/throughput-cpu.md)
	$(BIN)/python -m tests.campaigns.throughput --edition sample --resolutions 64,224 --out docs/evidence/throughput-$(DEVICE)

# The second lock is of the jobs of main that may write: few packages, each bound to the hashes of its files.
lock:            ## resolve the versions in requirements.lock and leaderboard/requirements.lock anew
	.venv/uv/bin/uv pip compile -q --universal --python-version 3.11 --all-extras --no-header --no-annotate \
	  pyproject.toml -o requirements.lock
	.venv/uv/bin/uv pip compile -q --universal --python-version 3.11 --extra leaderboard --no-header --no-annotate \
	  --generate-hashes --constraints requirements.lock pyproject.toml -o leaderboard/requirements.lock

clean:           ## remove the environment and everything made
	rm -rf .venv build dist runs

.PHONY: help setup benchmark boards report notebook site serve test campaign-coverage campaign-ranks campaign-scoring campaign-volunteers campaign-simulation campaign-transfer campaign-site campaign-mutations campaign-cheating campaign-kills campaign-gz2 campaign-image-size campaign-learning campaign-scale campaign-lost-votes campaign-numerics campaign-real-votes campaign-first-contact campaign-first-hour campaign-throughput lock clean
.DEFAULT_GOAL := help
