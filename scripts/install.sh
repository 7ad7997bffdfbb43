#!/bin/sh
# Makes the virtual environment and installs longdoc into it: `install.sh base|dev|train|...`;
# `install.sh torch` installs PyTorch alone.
# PyTorch comes first and in its CPU build, so that no CUDA libraries are downloaded.
set -eu
: "${PYTHON:=python3}" "${VENV:=.venv}"
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
[ "$1" = torch ] && exit
echo "Installing longdoc"
case "$1" in
base) $pip -e . ;;
*) $pip -e ".[$1]" ;;
esac
