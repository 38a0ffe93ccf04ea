#!/usr/bin/env bash
# kmsctl weights, as publishers and loaders meet it: exit codes, files, pipes,
# a full disk.
set -u
kmsctl=$PWD/$1
work=$TEST_TMPDIR
cd "$work" || exit 1
failed=0
fail() {
  echo "FAILED: $*"
  failed=1
}

# want CODE PATTERN ARGUMENTS...: exit code, and a line of output.
want() {
  local code=$1 pattern=$2 got
  shift 2
  "$kmsctl" weights "$@" >out 2>err
  got=$?
  [ "$got" = "$code" ] || fail "weights $*: exit $got, want $code: $(cat err)"
  grep -q -e "$pattern" out err || fail "weights $*: no '$pattern' in $(cat out err)"
}
gone() {
  for file in "$@"; do [ ! -e "$file" ] || fail "$file is there"; done
}

head -c 32 /dev/urandom >key
head -c 32 /dev/urandom >other.key
head -c 3000000 /dev/urandom >weights.bin
ours=(--key-file key --name llama --version 2)

want 0 '^segments_kept: 0' encrypt weights.bin --out weights.kms "${ours[@]}"
artifact=$(sed -n 's/^artifact_digest: //p' out)
[ ${#artifact} = 64 ] || fail "artifact digest: $artifact"
want 0 "^artifact_digest: $artifact" inspect weights.kms
want 0 '^verified: nothing' inspect weights.kms
want 0 '"version": 2' inspect weights.kms -o json
[ ! -s err ] || fail "progress without a terminal: $(cat err)"

want 0 'with the key$' verify weights.kms "${ours[@]}"
want 0 'against the artifact digest$' verify weights.kms --artifact "$artifact"
want 0 'key and against' verify weights.kms "${ours[@]}" --artifact "$artifact"
want 0 'segments_kept' decrypt weights.kms --out out.bin "${ours[@]}"
cmp -s weights.bin out.bin || fail 'decrypted bytes differ'
[ "$(stat -c %a out.bin)" = 600 ] || fail "mode $(stat -c %a out.bin)"
want 0 'segments_kept' decrypt weights.kms --out out2.bin --key-file key \
  --name llama --artifact "$artifact"
cmp -s weights.bin out2.bin || fail 'decrypted bytes differ (--artifact)'

# The key as an agent hands it on.
want 0 'segments_kept' decrypt weights.kms --out stdin.bin --key-file - \
  --name llama <key
want 0 'segments_kept' decrypt weights.kms --out fd.bin --key-file fd:5 \
  --name llama 5<key
cmp -s weights.bin fd.bin || fail 'decrypted bytes differ (fd:5)'

# Nothing is overwritten, nothing is left half done.
want 1 'ALREADY_EXISTS' decrypt weights.kms --out out.bin "${ours[@]}"
want 1 '^next: choose another --out' encrypt weights.bin --out weights.kms "${ours[@]}"
want 0 'segments_kept' decrypt weights.kms --out out.bin --force "${ours[@]}"
cp weights.kms damaged.kms
printf X | dd of=damaged.kms bs=1 seek=2000000 conv=notrunc status=none
want 5 'INTEGRITY: weights segment 7: does not' decrypt damaged.kms --out none.bin "${ours[@]}"
want 5 '^next: do not use the file' verify damaged.kms --artifact "$artifact"
head -c 1000000 weights.kms >short.kms
want 5 'cut short or extended' decrypt short.kms --out none.bin "${ours[@]}"
want 5 'it is not one' inspect weights.bin
want 5 'another key' decrypt weights.kms --out none.bin --key-file other.key --name llama
want 5 'names key default/llama, version 2' decrypt weights.kms --out none.bin \
  --key-file key --name mistral
want 5 'want default/llama, version 1' decrypt weights.kms --out none.bin \
  --key-file key --name llama --version 1
want 5 'not the one that is wanted' decrypt weights.kms --out none.bin \
  "${ours[@]}" --artifact "${artifact/[0-9]/a}"
gone none.bin none.bin.kms-partial

# Usage.
want 2 'want 32 to 4096' decrypt weights.kms --out none.bin --key-file /dev/null --name llama
want 2 'vouch for itself' verify weights.kms
want 2 'want --name too' verify weights.kms --key-file key
want 2 'want 64 hex digits' verify weights.kms --artifact 00
want 2 'open descriptor' decrypt weights.kms --out none.bin --key-file fd:77 --name llama
want 2 'version' decrypt weights.kms --out none.bin --key-file key --name llama --version 0
want 1 'NOT_FOUND' inspect nowhere.kms
want 1 'Not a directory' inspect weights.kms/x
gone none.bin

# A full disk: a small tmpfs in a mount namespace of our own.
disk_is_full() {
  mkdir -p disk
  unshare -rm bash -c '
    mount -t tmpfs -o size=2m tmpfs disk || exit 77
    "$1" weights decrypt weights.kms --out disk/out.bin --key-file key --name llama 2>err
    echo $? >code
    ls -A disk >left' - "$kmsctl"
}
disk_is_full 2>/dev/null
if [ $? = 77 ] || [ ! -e code ]; then
  echo 'NOT RUN: full disk (no mount namespaces here)'
else
  [ "$(cat code)" = 1 ] || fail "full disk: exit $(cat code)"
  grep -q 'RESOURCE_EXHAUSTED.*make room and run it again' err || fail "full disk: $(cat err)"
  [ ! -s left ] || fail "full disk: left $(cat left)"
fi

[ "$failed" = 0 ]
