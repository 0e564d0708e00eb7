#!/bin/bash
# Sets up .venv in the checkout from requirements.lock: with uv where it is to be had (much quicker), else with pip.
# Needs nothing but Python 3.11 or newer. The machine's own packages are never touched.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "install: $*" >&2; exit 1; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3 python; do
        if command -v "$candidate" > /dev/null &&
            "$candidate" -c 'import sys; sys.exit(not sys.version_info >= (3, 11))' 2> /dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# The environment first: pip may not install into a Python that its system manages, but into a venv it may.
make_environment() {
    local python=$1
    if [ -x .venv/bin/python ] && .venv/bin/python -c 'import sys; sys.exit(not sys.version_info >= (3, 11))'; then
        return
    fi
    rm -rf .venv
    if "$python" -m venv .venv 2> /dev/null; then
        return
    fi
    rm -rf .venv
    # Some systems ship Python without ensurepip. uv brings its own way of making environments.
    if command -v uv > /dev/null; then
        uv venv --quiet --python "$python" .venv
    elif "$python" -m venv --without-pip .venv && "$python" -m pip --version > /dev/null 2>&1; then
        "$python" -m pip --python .venv/bin/python install --quiet pip
    else
        fail "this Python cannot make environments: install its venv package (on Debian: apt install python3-venv) or uv"
    fi
}

find_uv() {
    if [ -x .venv/bin/uv ]; then
        echo .venv/bin/uv
    elif command -v uv > /dev/null && uv --version > /dev/null 2>&1; then
        command -v uv
    elif .venv/bin/python -m pip install --quiet --disable-pip-version-check uv > /dev/null 2>&1; then
        echo .venv/bin/uv
    else
        return 1
    fi
}

python=$(find_python) || fail "Python 3.11 or newer is needed; point PYTHON at it if it stands in an unusual place"
began=$SECONDS
echo "install: setting up .venv with $("$python" --version) – 2.3 GB, a few minutes the first time"
make_environment "$python"
if uv=$(find_uv); then
    # What it does, without a line for each of some 260 packages.
    "$uv" pip install --python .venv/bin/python --require-hashes -r requirements.lock 2>&1 | sed -u '/^ [+~-] /d'
    "$uv" pip install --quiet --python .venv/bin/python --no-deps -C editable_mode=compat -e .
else
    echo "install: uv is not to be had; pip does the same, slower"
    .venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
    .venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps -C editable_mode=compat -e .
fi
# Where Python is told to leave no bytecode, every start of every process would compile all that it imports.
if [ -n "${PYTHONDONTWRITEBYTECODE:-}" ]; then
    echo "install: compiling, because PYTHONDONTWRITEBYTECODE is set"
    env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m compileall -q -j 0 -x '/tests/' .venv/lib > /dev/null 2>&1 || true
fi
touch .venv/.installed
echo "install: done in $((SECONDS - began)) s"
