#!/bin/sh
# Makes the environment in which the methods longllmlingua and llmlingua2 of `evals` run. The
# package llmlingua needs an older transformers than longdoc has, so it gets one of its own.
set -eu
: "${VENV:=runs/llmlingua-venv}"
export VENV
sh scripts/install.sh torch
echo "Installing llmlingua"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
    llmlingua==0.2.2 'transformers==4.47.1'
