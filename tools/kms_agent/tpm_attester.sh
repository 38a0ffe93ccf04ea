#!/bin/sh
# An Attester for a machine with a TPM 2.0 (command_attester.h says how it is
# run): quotes PCRs over the first 32 bytes of the report data.
#
#   KMS_TPM_AK        the attestation key: a persistent handle or a context
#                     file. Restricted, and pinned or certified for the service.
#   KMS_TPM_PCRS      "BANK:INDEX,...": one bank, sha256 or sha384
#   KMS_TPM_SCHEME    the key's, where it is rsapss; tpm2-tools guess the others
#   KMS_TPM_AK_CERT, KMS_TPM_AK_CERT_CHAIN, KMS_TPM_EVENT_LOG
#                     files to send along; none unless given. The firmware's
#                     log is /sys/kernel/security/tpm0/binary_bios_measurements.
# What else tpm2-tools need (TPM2TOOLS_TCTI) they find in the environment.
set -eu
umask 077

report_data=$1
out=$2
: "${KMS_TPM_AK:?an attestation key}" "${KMS_TPM_PCRS:?a bank and its PCRs}"
bank=${KMS_TPM_PCRS%%:*}
case $bank in
  sha256) digits=64 ;;
  sha384) digits=96 ;;
  *) echo "tpm_attester: bank $bank, want sha256 or sha384" >&2; exit 2 ;;
esac
nonce=$(printf %.64s "$report_data")

# tpm2_quote reads the values after it quoted them, and fails if a PCR was
# extended in between.
tries=5
until tpm2_quote -Q -c "$KMS_TPM_AK" -l "$KMS_TPM_PCRS" -q "$nonce" \
  ${KMS_TPM_SCHEME:+--scheme="$KMS_TPM_SCHEME"} \
  -m "$out/quote.msg" -s "$out/quote.sig" -o "$out/pcrs.bin" -F values; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || { echo "tpm_attester: no quote" >&2; exit 1; }
done
tpm2_readpublic -Q -c "$KMS_TPM_AK" -f tss -o "$out/ak_public.tpm"

# The values stand one after the other, by index.
indices=$(printf %s "${KMS_TPM_PCRS#*:}" | tr , '\n' | sort -nu)
values=$(od -An -v -tx1 "$out/pcrs.bin" | tr -d ' \n')
pcrs=
for index in $indices; do
  value=$(printf "%.${digits}s" "$values")
  values=${values#"$value"}
  pcrs="$pcrs${pcrs:+, }\"$index\": \"$value\""
done
printf '{"bank": "%s", "pcrs": {%s}}\n' "$bank" "$pcrs" >"$out/pcrs.json"
rm "$out/pcrs.bin"

files=
add() {  # role file
  [ -n "$2" ] || return 0
  cp "$2" "$out/$1"
  files="$files, \"$1\": [\"$1\"]"
}
add ak_cert "${KMS_TPM_AK_CERT:-}"
add ak_cert_chain "${KMS_TPM_AK_CERT_CHAIN:-}"
add event_log "${KMS_TPM_EVENT_LOG:-}"
cat >"$out/bundle.json" <<END
{"evidence": [{"type": "tpm", "files": {
  "quote_attest": ["quote.msg"], "quote_signature": ["quote.sig"],
  "pcrs": ["pcrs.json"], "ak_public": ["ak_public.tpm"]$files}}],
 "report_data": "$report_data"}
END
