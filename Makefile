# Every target sets up what it needs in .venv on a bare clone.
VENV   := .venv
PYTHON := $(VENV)/bin/python
READY  := $(VENV)/.ready

.PHONY: demo test lint generated pictures mutants clean

demo: $(READY)
	$(PYTHON) examples/demo.py

test: $(READY)
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/attngen fmt --check specs/*.attn attngen/language/prelude/*.attn
	$(VENV)/bin/attngen compile --check specs/*.attn

generated: $(READY)
	$(VENV)/bin/attngen compile specs/*.attn

pictures: $(READY)
	$(PYTHON) -m attngen.view.catalogue specs

$(READY): pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[test,dev]'
	touch $(READY)

# Plants deliberate faults and sees that tests catch each; goes on where it stopped, an hour in all.
mutants: $(READY)
	$(PYTHON) tests/mutants/run.py

clean:
	rm -rf $(VENV) .hypothesis .mypy_cache .ruff_cache .import_linter_cache
