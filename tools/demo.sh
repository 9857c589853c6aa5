#!/bin/sh
# The main job on a shipped model: look, rewrite, verify with its test data, run on a simulated Cortex-M55, restore. $1: environment, $2: output folder.
set -eu

wpconvert=$1/bin/wpconvert
out=$2
model=models/zoo/digits_ds_cnn.tflite
data=models/zoo/digits_test.npz
mkdir -p "$out"

step() {
    printf '\n$ %s\n' "$*"
    "$@"
}

echo "An int8 digit classifier, 80 % of its weights zero ($model):"
step "$wpconvert" inspect "$model"
step "$wpconvert" "$model" --inputs "$data" -o "$out/digits.tflite" --report "$out/report.json"
step "$wpconvert" "$model" --optimize file --max-slowdown inf --strip -q --to-c "$out/digits.c" -o "$out/digits_stripped.tflite"
step "$wpconvert" verify "$model" "$out/digits_stripped.tflite" --inputs "$data" --engine litert
step "$wpconvert" run "$out/digits.tflite" --inputs "$data" --target corstone300
step "$wpconvert" bench "$out/digits.tflite" --against "$model" --target corstone300
step "$wpconvert" restore "$out/digits.tflite" -o "$out/restored.tflite"
printf '\nFiles in %s:\n' "$out"
# shellcheck disable=SC2012 # names of our own
ls -l "$model" "$out" | awk 'NF > 5 { printf "%9d  %s\n", $5, $NF }'
