#!/bin/sh
# Replaces the vendored Swagger UI: handlers/site/ui/update.sh [VERSION], by default the newest 5.x.
# Needs npm. Nothing of the package is run; the files are kept byte for byte as it ships them.
# To check them later: cd handlers/site/ui/swagger-ui && sed 1d VERSION | sha256sum --check
set -eu

cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

npm pack --silent --ignore-scripts --pack-destination "$work" "swagger-ui-dist@${1:-5}" > /dev/null
tar -xzf "$work"/swagger-ui-dist-*.tgz -C "$work"

files="LICENSE NOTICE swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt swagger-ui.css"
rm -rf swagger-ui
mkdir swagger-ui
for file in $files; do
    install -m 644 "$work/package/$file" "swagger-ui/$file"
done

version=$(sed -n 's/^ *"version": "\([^"]*\)".*/\1/p' "$work/package/package.json")
cd swagger-ui
{ echo "swagger-ui-dist $version"; sha256sum $files; } > VERSION
cat VERSION
