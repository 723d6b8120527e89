#!/bin/sh
# Runs in a container of the machines' image, as root: puts /mnt/site (what uv installed) where Open WebUI's own image has
# it. The container's file system then becomes the image (local/setup/webui_build.py).
set -eu
packages=/usr/local/lib/python3.11/dist-packages
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends jq
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin

mkdir -p "$packages" /app/backend/data
cp -r --no-preserve=ownership /mnt/site/. "$packages"
rm -rf "$packages/bin" "$packages/.lock"
mv "$packages/open_webui" /app/backend/open_webui
mv /app/backend/open_webui/frontend /app/build
mv "$packages/requirements-slim.txt" /app/backend/
cp /app/backend/open_webui/CHANGELOG.md /app/CHANGELOG.md
printf '{"name": "open-webui", "version": "%s"}\n' "$WEBUI_VERSION" >/app/package.json
cp /mnt/start.sh /app/backend/start.sh
find /app/build -name '*.map' -delete # 80 MB for the browser's debugger

# Its file system may be read-only when it runs, so what Python compiles must be there
python3 -m compileall -q -j 0 "$packages" /app/backend/open_webui || true # templates and examples that are no Python 3
du -sm "$packages" /app
