#!/bin/sh
# Everything we claim, checked: what `make test` and CI run. `deploy/test.sh quick` is the inner loop.
set -u
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH:/usr/sbin"
export PYTHONDONTWRITEBYTECODE=1
summary=""
failed=0

step() {
  name=$1
  shift
  echo
  echo "── $name"
  begun=$(date +%s)
  if "$@"; then result=ok; else result=FAILED; failed=1; fi
  summary="$summary$(printf '%-8s %4d s  %s' "$result" $(($(date +%s) - begun)) "$name")
"
}

system_parts() {
  missing=""
  for pair in chromium:chromium nginx:nginx caddy:caddy node:nodejs curl:curl openssl:openssl strace:strace git:git; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
  done
  [ -z "$missing" ] && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing && return 0
  fi
  echo "The tests need these programs and may not install them here:$missing" >&2
  return 1
}

step "ruff check" ruff check .
step "ruff format" ruff format --check .
step "types (mypy --strict)" mypy
step "import contracts" lint-imports
step "templates: lint" djlint templates --lint --quiet
step "templates: layout" djlint templates --check --quiet
if [ "${1:-}" = quick ]; then
  step "tests without browser, gateway and packaging" pytest -q -n 2 --ignore=tests/flows --ignore=tests/gateways --ignore=tests/packaging
else
  step "system programs" system_parts
  rm -f .coverage .coverage.*
  step "tests" pytest -q -n 4 --cov --cov-report=
  step "branch coverage of policy, tokens and keys is 100 %" \
    coverage report --include='keymgr/policy/*,keymgr/tokens/*,keymgr/keys/*' --fail-under=100
fi

echo
echo "$summary"
[ "$failed" = 0 ] && echo "All good." || echo "Not good: see the parts marked FAILED above."
exit "$failed"
