#!/bin/sh
# SoLoPO against plain ORPO, SimPO and DPO on the same pairs and steps, unattended, after the data
# and the SFT of run.sh. Killed and started again it goes on where it stopped.
set -e
export OMP_NUM_THREADS=1
here=policy/training/cpu
out=runs/cpu/solopo
mkdir -p $out
test -e runs/cpu/pairs/pairs.jsonl || longdoc train policy-pairs --config $here/pairs.toml
for algorithm in orpo simpo dpo; do
    beta=0.1
    test $algorithm != simpo || beta=2.0
    for method in long solopo; do
        compare=
        test $method = long || compare=$out/$algorithm-long
        sed -e "s|^algorithm = [^#]*|algorithm = \"$algorithm\" |" \
            -e "s|^method = [^#]*|method = \"$method\" |" \
            -e "s|^beta = [^#]*|beta = $beta |" \
            -e "s|^out = .*|out = \"$out/$algorithm-$method\"|" \
            -e "s|^compare = [^#]*|compare = \"$compare\" |" $here/solopo.toml > $out/$algorithm-$method.toml
        longdoc train policy-solopo --config $out/$algorithm-$method.toml
    done
done
longdoc train policy-eval --config $here/solopo-eval.toml
cat $out/eval/scores.md
