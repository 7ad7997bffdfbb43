#!/bin/sh
# The small run, unattended: base, SFT, phase 1, phase 2 without and with retrospective sampling,
# and what became of it. Killed and started again it goes on where it stopped.
set -e
export OMP_NUM_THREADS=1
here=policy/training/cpu
for set in data other; do
    test -e runs/cpu/$set/held-1024.jsonl || longdoc train policy-data --config $here/$set.toml
done
test -e runs/cpu/sft/model || longdoc train policy-sft --config $here/sft.toml
longdoc train policy-rl --config $here/rl.toml
longdoc train policy-eval --config $here/eval.toml
python -m evals curves runs/cpu/sft runs/cpu/rl/* --to runs/cpu/curves.svg
cat runs/cpu/eval/scores.md
