# `make run` shows everything on this machine, `make test` proves it. Needs Python 3.11 to 3.13 and nothing else by hand.
.PHONY: run test check images locks clean
.DEFAULT_GOAL := run

UV ?= uv
INPUTS := deploy/locks/build.txt deploy/setup.sh deploy/build_assets.py pyproject.toml
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header

run: .venv/.server
	@.venv/bin/keymgr demo

test: .venv/.dev
	@deploy/test.sh

# The inner loop: everything but browser, gateway and packaging.
check: .venv/.dev
	@deploy/test.sh quick

.venv/.server: deploy/locks/server.txt $(INPUTS)
	@deploy/setup.sh server

.venv/.dev: deploy/locks/dev.txt $(INPUTS)
	@deploy/setup.sh dev

# For maintainers: draw the pictures in docs/images/ anew.
images: .venv/.dev
	@PYTHONPATH=. .venv/bin/python deploy/images.py

# For maintainers: refresh the lock files (UV names the uv program).
locks:
	$(COMPILE) --extra server --extra postgresql -o deploy/locks/server.txt pyproject.toml
	$(COMPILE) --extra server --extra postgresql --group dev -o deploy/locks/dev.txt pyproject.toml
	printf '%s\n' 'hatchling>=1.27' 'editables' 'django-htmx==1.29.0' | $(COMPILE) --no-emit-package django --no-emit-package asgiref --no-emit-package sqlparse --no-emit-package tzdata -o deploy/locks/build.txt -

clean:
	rm -rf .venv static/vendor .keymgr-demo
