#!/usr/bin/env bash
# kmsctl collateral verify, from the outside: exit status and output.
set -u
kmsctl=$1
simtee=$2
work=$TEST_TMPDIR
failed=0

expect() {  # expect STATUS TEXT ARGUMENTS...: status and a line of output.
  local status=$1 text=$2
  shift 2
  local output
  output=$("$kmsctl" collateral verify "$@" 2>&1)
  local got=$?
  if [ "$got" -ne "$status" ] || ! grep -qF -- "$text" <<<"$output"; then
    echo "FAILED: kmsctl collateral verify $*: status $got, want $status and" \
      "'$text':"
    echo "$output"
    failed=1
  fi
}

"$simtee" init --dir "$work/tee" --rsa-bits 2048 || exit 1
chain=$work/tee/cert_chain.pem
trust=(--simulated-anchor "$work/tee/simulated-snp-ark.pem")

expect 0 '"verified": true' cert-chain "$chain" "${trust[@]}" -o json
expect 0 '"role": "cert_chain"' cert-chain "$chain" "${trust[@]}" -o json
expect 0 "\"digest\": \"$(sha256sum <"$chain" | cut -d' ' -f1)\"" \
  cert-chain "$chain" "${trust[@]}" -o json
expect 0 'simulated' cert-chain "${trust[@]}" "$chain"
expect 0 '"simulated": false' cert-chain "$chain" -o json \
  --anchor "$work/tee/simulated-snp-ark.pem"
expect 3 '"verified": false' cert-chain "$chain" -o json
expect 3 '"code": "CHAIN_UNTRUSTED"' cert-chain "$chain" -o json
expect 3 '"code": "CERTIFICATE_EXPIRED"' cert-chain "$chain" "${trust[@]}" \
  -o json --at 2051-01-01T00:00:00Z
expect 3 'REQUEST_MALFORMED' crl "$chain" "${trust[@]}"
echo nonsense >"$work/nonsense"
expect 3 'ENDORSEMENT_MALFORMED' crl "$work/nonsense"
expect 3 'ENDORSEMENT_MALFORMED' rim "$work/nonsense" -o json
expect 2 'want one of' certificates "$chain"
expect 2 'required' cert-chain
expect 2 'RFC 3339' cert-chain "$chain" --at yesterday
expect 2 'none.pem' cert-chain "$work/none.pem"
expect 2 'surprise' cert-chain "$chain" --surprise
exit $failed
