#!/usr/bin/env bash
# Check the contracts: style, no breaking change since the recorded release, generated code equal to the committed one.
# Run by `make proto-check`, which puts buf and python of the environment first on the path.
set -euo pipefail
cd "$(dirname "$0")/.."

buf lint proto
if [ -f proto/released.binpb ]; then
    buf breaking proto --against proto/released.binpb
else
    echo "proto-check: nothing is released yet (no proto/released.binpb), so breaking changes are not looked for"
fi

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
python -m grpc_tools.protoc -Iproto --python_out="$fresh" --pyi_out="$fresh" proto/comitia/v1/*.proto
if ! diff -r -q --exclude=__pycache__ --exclude=__init__.py --exclude=py.typed "$fresh/comitia/v1" shared/comitia/v1; then
    echo "proto-check: shared/comitia/v1 is not what proto/ generates: run 'make proto' and commit the result" >&2
    exit 1
fi
