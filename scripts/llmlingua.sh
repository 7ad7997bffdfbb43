#!/bin/sh
# Makes the environment in which the methods longllmlingua and llmlingua2 of `evals` run. The
# package llmlingua needs an older transformers than longdoc has, so it gets one of its own.
set -eu
: "${PYTHON:=python3}" "${VENV:=runs/llmlingua-venv}"
: "${TORCH_INDEX:=https://download.pytorch.org/whl/cpu}"
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
pip="$VENV/bin/python -m pip install --quiet --disable-pip-version-check"
torch=$(sed -n 's/^ *"torch==\([^"]*\)",$/\1/p' pyproject.toml)
if ! "$VENV/bin/python" -c 'import torch' 2>/dev/null; then
    echo "Installing PyTorch $torch (CPU build)"
    case "$(uname -s)" in
    Linux) $pip "torch==$torch+cpu" 2>/dev/null ||
        $pip --index-url "$TORCH_INDEX" "torch==$torch" ;;
    *) $pip "torch==$torch" ;;
    esac
fi
echo "Installing llmlingua"
$pip llmlingua==0.2.2 'transformers==4.47.1'
