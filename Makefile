# Every target sets up what it needs in .venv on a bare clone.
VENV   := .venv
PYTHON := $(VENV)/bin/python
READY  := $(VENV)/.ready

.PHONY: demo test lint generated pictures corpus mutants bytes clean

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

corpus: $(READY)
	$(PYTHON) -m attngen.fuzz.language.corpus tests/corpus

$(READY): pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[test,dev]'
	touch $(READY)

# Plants deliberate faults and sees that tests catch each; goes on where it stopped, an hour in all.
mutants: $(READY)
	$(PYTHON) tests/mutants/run.py

# Half an hour of bytes as specs, guided by the code that they reach; what was found lies in .hypothesis/bytes.
bytes: $(READY)
	$(VENV)/bin/pip install --quiet 'atheris>=3,<4'
	mkdir -p .hypothesis/bytes
	$(PYTHON) tests/fuzz/bytes_of_specs.py -max_total_time=1800 -timeout=60 -rss_limit_mb=2000 -max_len=2000 \
		.hypothesis/bytes specs tests/corpus

clean:
	rm -rf $(VENV) .hypothesis .mypy_cache .ruff_cache .import_linter_cache
