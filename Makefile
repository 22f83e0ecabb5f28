# Everything a person types. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup lock demo test test-long test-images check format generate bench bench-gate bench-serve bench-monitor clean \
	images images-push images-bases images-lint infra-check infra-access dockerd \
	ci-lint ci-lock-tools ci-terraform ci-plan ci-variable ci-images ci-sign ci-promote ci-lock ci-deploy

python := .venv/bin/python
# What is installed, and by which choice of torch, is named in this stamp: nothing changed, nothing to do.
# Without a word about torch, the choice that was made before stays. To `make images` the word is about images alone.
installed := $(or $(patsubst .venv/.installed-%,%,$(firstword $(wildcard .venv/.installed-*))),auto)
inputs := locks/main.txt locks/torch-cpu.txt locks/torch-cuda.txt pyproject.toml setup.sh
stamp := .venv/.installed-$(or $(if $(filter images,$(MAKECMDGOALS)),,$(TORCH)),$(installed))

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(stamp) ## .venv with all that demo and test need (TORCH=cpu|cuda|auto)
$(stamp): $(inputs)
	@./setup.sh $(patsubst .venv/.installed-%,%,$@)
	@rm -f .venv/.installed-* && touch $@

lock: setup ## resolves the dependencies again and writes locks/
	@locks/compile.sh

demo: setup ## the whole loop on this machine: four acts in under eight minutes (ACT=n for one)
	@.venv/bin/sluice demo $(if $(ACT),--act $(ACT))

test: setup check ## every behaviour once
	@$(python) -m pytest -m "not long and not images" -n 2 --dist loadfile $(PYTEST_OPTIONS)

test-long: setup ## repetition, load, simulation
	@$(python) -m pytest -m "long and not images" $(PYTEST_OPTIONS)

test-images: setup ## a lifecycle and its release in the images, and what each image promises (after make images)
	@$(python) -m pytest -m images $(PYTEST_OPTIONS)

check: setup ## format, lint, types, stale generated files, import arrows
	@.venv/bin/ruff format --check --quiet . && .venv/bin/ruff check --quiet .
	@$(python) -m mypy
	@$(python) -m pipelines.reference --check
	@$(python) -m pytest --quiet -p no:cacheprovider tests/test_arrows.py

format: setup ## formats and mends what can be mended
	@.venv/bin/ruff format --quiet . && .venv/bin/ruff check --fix --quiet .

generate: setup ## writes docs/reference and the stages' README files
	@$(python) -m pipelines.reference

bench: setup ## step overhead, compile time, start-up
	@$(python) -m benchmarks.overhead

bench-gate: setup ## the gate's error rates and power by simulation, its speed against SciPy's
	@$(python) -m benchmarks.gate

bench-serve: setup ## what the serving path adds to an answer's time, and 50,000 requests through swaps and kills
	@$(python) -m benchmarks.serve

bench-monitor: setup ## needless retrainings and how soon a fall is found, by simulation; 50 real windows
	@$(python) -m benchmarks.monitor --windows 50

images: setup ## builds the images that can be built here (IMAGE=name … TORCH=cpu|cuda STAND_IN=1), writes build/images.lock.json
	@$(python) -m pipelines.images.build $(IMAGE) --torch $(or $(filter cuda,$(TORCH)),cpu) $(if $(STAND_IN),--stand-in $(STAND_IN))

images-push: setup ## pushes what was built, and writes the registry's digests (REGISTRY=host/path)
	@$(python) -m pipelines.images.push $(REGISTRY)

images-bases: setup ## writes the digests of the published bases (MOVE=1 takes that of a tag that was moved)
	@$(python) -m pipelines.images.bases $(if $(MOVE),--move)

images-lint: setup ## lints the Dockerfiles, and looks for secrets in what was built
	@containers/lint.sh

ci-lint: setup ## lints the workflows with actionlint and zizmor
	@.github/ci/lint.sh

ci-lock-tools: setup ## pins those linters anew
	@.github/ci/lock_tools.sh

ci-terraform: ## format, validity and tests of all Terraform, without a cloud
	@.github/ci/terraform.sh

ci-plan: setup ## what Terraform would change in an environment, and who could reach what (ENV=dev STATE=bucket)
	@$(python) .github/ci/place.py plan "$(ENV)" --state "$(STATE)"

ci-variable: setup ## what the repository's variable SLUICE_ENV holds (ENV=dev DEPLOYER=account)
	@$(python) .github/ci/place.py variable "$(ENV)" --deployer "$(DEPLOYER)"

ci-images: setup ## builds all images as they ship
	@$(python) -m pipelines.images.build --torch cuda

ci-sign: setup ## signs the pushed images without a key, and attests to what is in them
	@$(python) .github/ci/images.py sign

ci-promote: setup ## copies signed images to an environment's registry (REGISTRY=host/path COMMIT=sha REPOSITORY=owner/name)
	@$(python) .github/ci/images.py promote "$(REGISTRY)" --commit "$(COMMIT)" --repository "$(REPOSITORY)"

ci-lock: ## the images lock that main.yml left for a commit (COMMIT=sha)
	@.github/ci/lock.sh "$(COMMIT)"

ci-deploy: setup ## deploys what is checked out (ENV=dev STATE=bucket COMMIT=sha REPOSITORY=owner/name, AGAIN=1 what was there)
	@$(python) .github/ci/deploy.py "$(ENV)" --state "$(STATE)" --commit "$(COMMIT)" --repository "$(REPOSITORY)" $(if $(AGAIN),--again)

infra-check: setup ## looks through Terraform for what checkov knows to be unsafe
	@infra/terraform/check.sh

infra-access: setup ## writes docs/reference/access.md, who can reach what, out of a plan that no cloud sees
	@$(python) -m tests.infra.access_page

dockerd: ## a Docker daemon of one's own out of Debian's packages (STOP=1 ends it)
	@containers/dockerd.sh $(if $(STOP),stop,start)

clean: ## removes what was installed and made here, but no run
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build
