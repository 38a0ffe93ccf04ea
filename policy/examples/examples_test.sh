#!/usr/bin/env bash
# Runs the suites of this folder on simulated machines. The policies are as they
# stand here but for one line: a simulator's anchors, which a policy must name.
set -u
kmsctl=$1
simtee=$2
here=$3
work=$TEST_TMPDIR/work
mkdir -p "$work/suites" "$work/gpu-anchors" "$work/snp" "$work/tdx"
failed=0

fill() { printf "$1%.0s" $(seq "$2"); }  # A byte in hex, so many times.
data=$(fill ab 64)
nonce=$(fill cd 32)

"$simtee" init --dir "$work/snp/machine" --product genoa --rsa-bits 2048 \
  || exit 1
cp "$work/snp/machine/simulated-snp-ark.pem" "$work/snp/"
snp() {  # snp NAME OPTIONS...: a bundle of a guest.
  local name=$1
  shift
  "$simtee" report --dir "$work/snp/machine" --report-data "$data" \
    --out "$work/snp/$name" "$@" || exit 1
}
single_socket=1245184  # 0x130000: SMT, the reserved bit, one socket.
snp good
snp previous --measurement "$(fill 59 48)"
snp unknown --measurement "$(fill 11 48)"
snp vmpl --vmpl 2
snp debug --debug
snp job --measurement "$(fill 5b 48)" --host-data "$(fill 0b 32)" \
  --policy "$single_socket"
snp job-for-a --measurement "$(fill 5b 48)" --host-data "$(fill 0a 32)" \
  --policy "$single_socket"
snp recovery --measurement "$(fill 5c 48)" --host-data "$(fill 07 32)"
snp recovery-at-will --measurement "$(fill 5c 48)"

"$simtee" tdx-init --dir "$work/tdx/machine" || exit 1
cp "$work/tdx/machine/simulated-tdx-root.pem" "$work/tdx/"
"$simtee" tdx-quote --dir "$work/tdx/machine" --report-data "$data" \
  --out "$work/tdx/good" || exit 1
"$simtee" tdx-quote --dir "$work/tdx/machine" --report-data "$data" \
  --mrtd "$(fill 12 48)" --out "$work/tdx/other" || exit 1
gpu_anchors=
for i in 1 2 3 4 5 6 7 8 9; do  # Eight, and one with another driver.
  driver=550.90.07
  [ "$i" -eq 9 ] && driver=535.86.09
  "$simtee" gpu-init --dir "$work/gpu$i" --driver "$driver" || exit 1
  "$simtee" gpu-report --dir "$work/gpu$i" --nonce "$nonce" \
    --out "$work/gpu$i/report" || exit 1
  # Each simulated device has roots of its own.
  cp "$work/gpu$i/simulated-gpu-root.pem" "$work/gpu-anchors/gpu$i.pem"
  cp "$work/gpu$i/simulated-gpu-rim-root.pem" "$work/gpu-anchors/rim$i.pem"
  gpu_anchors+=", gpu$i, rim$i-manifests"
done

cp "$here"/*.yaml "$here"/*.json "$work/suites/"
name_anchors() {  # name_anchors POLICY ANCHORS
  sed -i "s/^evidence:/anchors: [$2]\nevidence:/" "$work/suites/$1.yaml"
}
for policy in snp-web-service training-two-owners break-glass; do
  name_anchors "$policy" simulated-snp-ark
done
name_anchors tdx-8-gpus "simulated-tdx-root$gpu_anchors"

for suite in "$work"/suites/*.test.yaml; do
  "$kmsctl" policy test "$suite" --bundles "$work"
  status=$?
  echo "$(basename "$suite"): status $status"
  [ "$status" -eq 0 ] || failed=1
done

# As they stand here, no simulator's Evidence passes.
cp "$here/snp-web-service.yaml" "$work/suites/"
output=$("$kmsctl" policy test "$work/suites/snp-web-service.test.yaml" \
  --bundles "$work")
if [ $? -ne 3 ] || ! grep -q "got ANCHOR_DENIED, want allowed" <<<"$output"; then
  echo "FAILED: a simulator passed a policy that does not name it"
  failed=1
fi
# A suite that is none says where.
printf 'policy: p.yaml\ntests:\n  - {name: x, bundles: [b], expcet: allowed}\n' \
  >"$work/suites/bad.yaml"
output=$("$kmsctl" policy test "$work/suites/bad.yaml" 2>&1)
if [ $? -ne 2 ] || ! grep -q "line 3, column 29: unknown key; did you mean 'expect'?" \
  <<<"$output"; then
  echo "FAILED: $output"
  failed=1
fi
exit "$failed"
