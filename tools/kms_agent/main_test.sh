#!/bin/sh
# Exit codes of kms-agent as its callers see them.
set -u
agent="$PWD/tools/kms_agent/kms-agent"
ca="$PWD/tools/client/testdata/ca.pem"
cd "$TEST_TMPDIR"
failures=0

# want CODE PATTERN ARGUMENTS...: exit code and a line on standard error.
want() {
  code=$1 pattern=$2
  shift 2
  "$agent" "$@" >out 2>err 3>/dev/null
  got=$?
  if [ "$got" != "$code" ] || ! grep -q -e "$pattern" err || [ -s out ]; then
    echo "FAILED: kms-agent $*: exit $got, want $code and '$pattern' in:"
    cat err
    failures=$((failures + 1))
  fi
}

pins="--cluster-id 000102030405060708090a0b0c0d0e0f --identity-key \
000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f"
most="$pins --endpoint localhost:9 --ca $ca --key k \
  --attester-command /bin/true"
whole="$most --output fd:3"

want 2 'USAGE: ' --no-such-flag
want 2 'cluster_id: want 32 hex digits'
want 2 'output: want a destination' $pins --key k
want 2 'no CA certificate' $pins --key k --attester sev-snp --output fd:3 \
  --endpoint localhost:9
want 2 'output fd: not open' $most --output fd:9
want 1 'not tmpfs or ramfs' $most --output file:/proc/key
want 1 'NOT_FOUND: open nowhere.yaml' --config nowhere.yaml
want 4 'UNAVAILABLE: ' $whole --once
want 4 '^next: ' $whole --once

printf 'key: k\nunknown: 1\n' >bad.yaml
want 2 'configuration line 2: unknown field' --config bad.yaml

cat >good.yaml <<END
endpoints: ["localhost:9"]
ca: $ca
cluster_id: 000102030405060708090a0b0c0d0e0f
identity_key: 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f
key: k
attester_command: /bin/true
output: fd:3
END
want 4 'UNAVAILABLE: ' --config good.yaml --once
want 2 'cluster_id: want' --config good.yaml --cluster-id 00  # Flags win.

# Who asks for proof is never served without.
want 2 'File does not exist' $whole --once --require-server-evidence ""
want 2 'anchors without a policy' $whole --once --simulated-server-anchor $ca
printf 'server_evidence: {}\n' | cat good.yaml - >vague.yaml
want 2 'server_evidence: want a policy' --config vague.yaml
echo 'name: "' >broken.yaml
want 3 'POLICY_INVALID: ' $whole --once --require-server-evidence broken.yaml
cat >policy.yaml <<END
name: kmsd
evidence: [{type: sev-snp, count: 1}]
rules: [{id: any, expr: "true", message: never}]
release: {lease: 1h}
END
want 4 'UNAVAILABLE: ' $whole --once --require-server-evidence policy.yaml

[ "$failures" = 0 ]
