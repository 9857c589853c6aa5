#!/bin/sh
# Adds what training needs (PyTorch, onnxscript, litert-torch) to the environment given as $1, and torchaudio,
# which a test compares with. Quick when there is nothing to do.
set -eu

venv=$1
stamp=$venv/.setup-train-stamp
pins=models/constraints-train.txt

if [ -f "$stamp" ] && [ -z "$(find pyproject.toml constraints.txt "$pins" tools/setup_train.sh -newer "$stamp" -print -quit)" ]; then
    exit 0
fi

echo "setup: installing the training extra into $venv (some minutes, once)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --constraint "$pins" \
    --no-build-isolation --config-settings=cmake.define.WPCONVERT_WERROR=ON --editable '.[train]' torchaudio
touch "$stamp"
