#!/usr/bin/env bash
# The rules are good and say what their cases want; and rules and dashboard
# read no metric that kmsd does not show.
set -euo pipefail
cd tools/monitoring
promtool check rules alerts.yaml
promtool test rules alerts_cases.yaml

shown=$(grep -oh '"kms_[a-z_]*"' ../../kms/metrics/*.cc | tr -d '"' | sort -u)
read_=$(grep -oh 'kms_[a-z_]*' alerts.yaml dashboard.json | sort -u)
status=0
for name in $read_; do
  grep -qx "${name%_bucket}" <<<"$shown" || { echo "nobody shows $name"; status=1; }
done
exit $status
