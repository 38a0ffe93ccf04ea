#!/usr/bin/env bash
# kmsctl evidence, from the outside: exit status and output for what a
# simulated machine signed.
set -u
kmsctl=$1
simtee=$2
work=$TEST_TMPDIR
failed=0

expect() {  # expect STATUS TEXT ARGUMENTS...: status and a line of output.
  local status=$1 text=$2
  shift 2
  local output
  output=$("$kmsctl" evidence "$@" 2>&1)
  local got=$?
  if [ "$got" -ne "$status" ] || ! grep -qF -- "$text" <<<"$output"; then
    echo "FAILED: kmsctl evidence $*: status $got, want $status and '$text':"
    echo "$output"
    failed=1
  fi
}

data=$(printf 'ab%.0s' {1..64})
"$simtee" init --dir "$work/tee" --rsa-bits 2048 || exit 1
"$simtee" report --dir "$work/tee" --report-data "$data" --out "$work/good" \
  || exit 1
"$simtee" report --dir "$work/tee" --report-data "$data" --debug \
  --out "$work/debug" || exit 1
good=$work/good/bundle.json
trust=(--simulated-anchor "$work/tee/simulated-snp-ark.pem")

expect 0 '"verified": true' verify "$good" "${trust[@]}" -o json
expect 0 '"simulated": true' verify "$good" "${trust[@]}" -o json
expect 0 '"simulated": false' verify "$good" \
  --anchor "$work/tee/simulated-snp-ark.pem" -o json
expect 0 '"debug": true' verify "$work/debug/bundle.json" "${trust[@]}" -o json
expect 3 '"code": "CHAIN_UNTRUSTED"' verify "$good" -o json
expect 3 '"code": "CERTIFICATE_EXPIRED"' verify "$good" "${trust[@]}" -o json \
  --at 2051-01-01T00:00:00Z
expect 3 'SEV-VCEK' inspect "$good"
expect 2 'no such file' verify "$work/none.json"
expect 2 'RFC 3339' verify "$good" --at yesterday
expect 2 'surprise' verify "$good" --surprise

"$simtee" tdx-init --dir "$work/tdx" || exit 1
"$simtee" tdx-quote --dir "$work/tdx" --report-data "$data" \
  --out "$work/td" || exit 1
"$simtee" tdx-init --dir "$work/sgx" --sgx || exit 1
"$simtee" tdx-quote --dir "$work/sgx" --report-data "$data" --debug \
  --out "$work/enclave" || exit 1
tdx=(--simulated-anchor "$work/tdx/simulated-tdx-root.pem")
sgx=(--simulated-anchor "$work/sgx/simulated-sgx-root.pem")
expect 0 '"tcb_status": "UpToDate"' verify "$work/td/bundle.json" "${tdx[@]}" \
  -o json
expect 0 '"debug": true' verify "$work/enclave/bundle.json" "${sgx[@]}" -o json
expect 3 '"code": "CHAIN_UNTRUSTED"' verify "$work/td/bundle.json" -o json
expect 3 'rated                UpToDate' inspect "$work/td/bundle.json"
expect 3 'init DEBUG mode64bit' inspect "$work/enclave/bundle.json"

bound=$(sed "s/^}/,\"report_data\": \"$data\"}/" "$good")
echo "$bound" >"$work/good/bound.json"
expect 0 'verified at' verify "$work/good/bound.json" "${trust[@]}"
echo "${bound//abab/abac}" >"$work/good/other.json"
expect 3 'EVIDENCE_NOT_BOUND' verify "$work/good/other.json" "${trust[@]}"
echo '{' >"$work/good/broken.json"
expect 2 'not a JSON object' verify "$work/good/broken.json"
truncate -s 1000 "$work/good/report.bin"
expect 3 'EVIDENCE_MALFORMED' verify "$good" "${trust[@]}"
expect 3 'want 1184' inspect "$good" "${trust[@]}"

# A plain log: a startup locality, then "x" measured into PCR 7.
log=$work/log.bin
digest='\x11\xf6\xad\x8e\xc5\x2a\x29\x84\xab\xaa'  # SHA-1 of "x".
digest+='\xfd\x7c\x3b\x51\x65\x03\x78\x5c\x20\x72'
{
  printf '\0\0\0\0\3\0\0\0'; head -c 20 /dev/zero
  printf '\21\0\0\0StartupLocality\0\3'
  printf '\7\0\0\0\1\0\0\0'
  printf "$digest"
  printf '\1\0\0\0x'
} >"$log"
pcr0=0000000000000000000000000000000000000003
pcr7=$({ head -c 20 /dev/zero; printf "$digest"; } | sha1sum)
expect 0 "\"0\": \"$pcr0\"" replay "$log" -o json
expect 0 "\"7\": \"${pcr7%% *}\"" replay "$log" -o json
expect 0 '"text": "x"' replay "$log" -o json
expect 0 'startup locality 3' replay "$log"
truncate -s -1 "$log"
expect 3 '"code": "EVIDENCE_MALFORMED"' replay "$log" -o json
expect 3 'refused: EVIDENCE_MALFORMED' replay "$log"
expect 2 'No such file' replay "$work/none.bin"
expect 2 'log is required' replay
exit $failed
