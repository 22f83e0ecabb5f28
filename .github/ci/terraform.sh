#!/usr/bin/env bash
# Looks at all of Terraform without a cloud: format, then validity and tests of each module and environment.
set -euo pipefail
cd "$(dirname "$0")/../../infra/terraform"
terraform fmt -check -recursive -diff
export TF_PLUGIN_CACHE_DIR=${TF_PLUGIN_CACHE_DIR:-$HOME/.terraform.d/plugin-cache} TF_IN_AUTOMATION=1
mkdir -p "$TF_PLUGIN_CACHE_DIR"
for folder in bootstrap modules/* envs/*; do
    [ -f "$folder/versions.tf" ] || [ -f "$folder/main.tf" ] || continue
    echo "== $folder"
    terraform -chdir="$folder" init -backend=false -input=false -no-color >/dev/null
    terraform -chdir="$folder" validate -no-color
    [ ! -d "$folder/tests" ] || terraform -chdir="$folder" test -no-color
done
