# Each target does all its own set-up in .venv. PYTHON chooses the interpreter, TORCH_INDEX where
# PyTorch's CPU build is looked for when the configured indexes have none.
PYTHON ?= python3
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev

.PHONY: demo test lint ui readme clean

$(VENV)/.ready-%: pyproject.toml scripts/install.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH_INDEX="$(TORCH_INDEX)" sh scripts/install.sh $*
	touch $@

demo: $(VENV)/.ready-base
	$(BIN)/python -m evals.demo

ui: $(VENV)/.ready-base
	$(BIN)/longdoc ui

test: $(VENV)/.ready-$(EXTRAS)
	$(BIN)/longdoc models pull smollm2-135m all-minilm-l6-v2 qwen2.5-coder-1.5b
	$(BIN)/python -m pytest --cov --cov-report=term

lint: $(VENV)/.ready-$(EXTRAS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

readme: $(VENV)/.ready-$(EXTRAS)
	$(BIN)/python scripts/readme.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
