#!/bin/sh
# TuningJob llama, as AutoScout configured it: tile=64 layout=it's $(HOME).
# It is the command that was measured.
set -eu
export TILE=t64
exec python \
    -m \
    bench \
    --tile=64 \
    --layout \
    'it'"'"'s $(HOME)'
