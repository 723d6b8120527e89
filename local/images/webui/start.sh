#!/bin/bash
# The image's command, in place of the official image's start script, whose settings of uvicorn it has.
set -eu
: "${WEBUI_SECRET_KEY:?must be set: it signs the sessions, and a new one at each start would log everybody out}"
exec python3 -m uvicorn open_webui.main:app --host "$HOST" --port "$PORT" --forwarded-allow-ips '*' --workers 1
