# Runs on a machine as root, after assignments of: unit, container, image, url (health), patience (s), restarts, good,
# files, stamp, applied, lines. Starts the unit anew; where it does not become healthy, what was healthy last is restored.
set -e
healthy() {
  for second in $(seq "$patience"); do
    if curl -fsS -m 3 -o /dev/null "$url" 2>/dev/null; then return 0; fi
    if [ "$(systemctl show -p NRestarts --value "$unit")" -ge "$restarts" ]; then return 1; fi
    sleep 1
  done
  return 1
}
start() {
  systemctl daemon-reload
  systemctl reset-failed "$unit" 2>/dev/null || true
  systemctl restart "$unit" || true
}
before=$(docker container inspect --format '{{.Config.Image}}' "$container" 2>/dev/null || true)
began=$(date +%s)
start
systemctl -q enable "$unit"
if healthy; then
  rm -rf "$good"; mkdir -p -m 700 "$good"; cp -p $files "$good"
  mkdir -p "$(dirname "$stamp")"; echo "$applied" > "$stamp"
  if [ -n "$before" ] && [ "$before" != "$image" ]; then docker image rm "$before" >/dev/null 2>&1 || true; fi
  exit 0
fi
journalctl -u "$unit" --since "@$began" -n "$lines" --no-pager -o cat
if [ -d "$good" ]; then
  for file in $files; do cp -p "$good/$(basename "$file")" "$file"; done
  start
  if healthy; then echo 'The version before it runs again.'; else echo 'The version before it does not become healthy either.'; fi
fi
exit 1
