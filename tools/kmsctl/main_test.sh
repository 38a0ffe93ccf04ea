#!/bin/bash
# kmsctl as scripts and shells meet it: exit codes and completion.
set -u
kmsctl="$PWD/tools/kmsctl/kmsctl"
ca="$PWD/tools/client/testdata/ca.pem"
cd "$TEST_TMPDIR"
unset KMS_ADDRESS KMS_CA KMS_CERT KMS_KEY KMS_CLUSTER KMS_IDENTITY
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# want CODE PATTERN ARGUMENTS...: exit code and a line on standard error.
want() {
  local code=$1 pattern=$2 got
  shift 2
  "$kmsctl" "$@" >out 2>err </dev/null
  got=$?
  [ "$got" = "$code" ] || fail "kmsctl $*: exit $got, want $code"
  grep -q -e "$pattern" err || fail "kmsctl $*: no '$pattern' in: $(cat err)"
}

want 2 '^kmsctl: USAGE: ' key list --no-such-flag
want 2 'no address' key list
want 2 'no CA certificate' key list --address localhost:9
want 2 'go together' key list --address localhost:9 --ca "$ca" --cert "$ca"
want 1 'NOT_FOUND: open nowhere' key list --address localhost:9 --ca nowhere
want 4 '^kmsctl: UNAVAILABLE: ' key list --address localhost:9 --ca "$ca"
want 2 '--cluster: want 32 hex digits' audit verify-receipt x
KMS_ADDRESS=localhost:9 KMS_CA=$ca want 4 '^next: ' status

# Who asks for proof is never served without.
want 2 'File does not exist' key list --require-server-evidence ""
want 2 'go with' key list --address localhost:9 --ca "$ca" \
  --simulated-server-anchor "$ca"
want 2 'exactly one --address' server-evidence --address a:1 --address b:1 \
  --ca "$ca"
want 4 '^kmsctl: UNAVAILABLE: ' server-evidence --address localhost:9 --ca "$ca"

# complete WORDS... WANT: what the script offers for the last of the words.
complete_words() {
  bash -c 'source <("$1" completion bash); shift
    COMP_WORDS=(kmsctl "$@"); COMP_CWORD=$#; _kmsctl
    echo "${COMPREPLY[*]}"' - "$kmsctl" "$@"
}
[ "$(complete_words uns)" = unseal ] || fail 'completion of uns'
[ "$(complete_words key cr)" = create ] || fail 'completion of key cr'
[ "$(complete_words key create a --imp)" = --import-file ] ||
  fail 'completion of key create a --imp'
[ "$(complete_words -o json audit verify-r)" = verify-receipt ] ||
  fail 'completion of -o json audit verify-r'

[ "$failures" = 0 ]
