#!/usr/bin/env bash
# tools/cluster/start to its end: three etcd members and three instances as real
# processes; two join over TLS, heads satisfy `release_guard: majority`, and each
# instance releases the same key.
set -euo pipefail
if ! command -v etcd >/dev/null; then
  echo "NOT RUN: no etcd (Debian's etcd-server) on this machine"
  exit 0
fi
export KMS_BIN=$PWD
tools/cluster/start --once | tee "$TEST_TMPDIR/out"
for want in "kms2  joined" "kms3  joined" "kms1  released the same key" \
  "kms2  released the same key" "kms3  released the same key" "majority: holds"; do
  grep -q "$want" "$TEST_TMPDIR/out" || { echo "missing: $want" >&2; exit 1; }
done
[ "$(grep -c "serving *AGREES" "$TEST_TMPDIR/out")" = 2 ] || { echo "want two instances that agree" >&2; exit 1; }
