#!/bin/bash
# Sets up .venv in the checkout from requirements.lock: with uv where it is to be had (much quicker), else with pip.
# Needs nothing but Python 3.11 or newer. The machine's own packages are never touched.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "install: $*" >&2; exit 1; }

# The program behind a name, where it is new enough: shims and links stand for others.
program_of() {
    "$1" -c 'import os, sys; sys.version_info >= (3, 11) or sys.exit(1); print(os.path.realpath(sys.executable))' 2> /dev/null
}

# Microseconds of what Lakefront's processes do all day: calls, attributes, dictionaries and text. The best of five.
speed_of() {
    "$1" -I - << 'MEASURE'
import time

class Line:
    def __init__(self, number):
        self.number = number

    def total(self, price):
        return self.number * price

def work():
    known = {}
    for number in range(20_000):
        line = Line(number)
        known[f"{number % 100}"] = line.total(3) if isinstance(line, Line) else None

def seconds():
    began = time.process_time()
    work()
    return time.process_time() - began

print(int(min(seconds() for _ in range(5)) * 1_000_000))
MEASURE
}

# The first that fits, unless another is quicker by a fifth: a Python built without optimization (as pyenv does unless told
# otherwise) takes half as long again as the system's own for everything. They are measured by turns, as the machine may be busy.
find_python() {
    local candidate program seen=" " turn micros chosen
    local -a found=()
    local -A best=()
    if [ -n "${PYTHON:-}" ]; then
        program_of "$PYTHON"
        return
    fi
    for candidate in $(type -aP python3.11 python3.12 python3.13 python3 python || true); do
        program=$(program_of "$candidate") || continue
        [[ $seen == *" $program "* ]] || found+=("$program")
        seen+="$program "
    done
    if [ ${#found[@]} -lt 2 ]; then
        echo "${found[@]}"
        return $((1 - ${#found[@]}))
    fi
    for turn in 1 2 3; do
        for candidate in "${found[@]}"; do
            micros=$(speed_of "$candidate")
            [ "$micros" -ge "${best[$candidate]:-$micros}" ] || best[$candidate]=$micros
            best[$candidate]=${best[$candidate]:-$micros}
        done
    done
    chosen=${found[0]}
    for candidate in "${found[@]}"; do
        if [ $((best[$candidate] * 5)) -lt $((best[$chosen] * 4)) ] && can_make_environments "$candidate"; then
            chosen=$candidate
        fi
    done
    echo "$chosen"
}

can_make_environments() { command -v uv > /dev/null || "$1" -c 'import ensurepip' 2> /dev/null; }

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

python=$(find_python) || fail "Python 3.11 or newer is needed${PYTHON:+, and $PYTHON is not}; point PYTHON at it if it stands in an unusual place"
began=$SECONDS
echo "install: setting up .venv with $("$python" --version) ($python) – 2.3 GB, a few minutes the first time"
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
