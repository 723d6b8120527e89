# Runs on a machine as root, after assignments of: unit, container, image, url (health), patience (s), restarts, good,
# files, database, images, stamp, applied, lines. Starts the unit anew; where it does not become healthy, what was
# healthy last is restored, with the database as it was before: a newer version may have migrated it.
set -e
healthy() {
  until=$(($(date +%s) + patience))
  while [ "$(date +%s)" -lt "$until" ]; do
    if curl -fsS -m 3 -o /dev/null "$url" 2>/dev/null; then return 0; fi
    if [ "$(systemctl show -p NRestarts --value "$unit")" -ge "$restarts" ]; then return 1; fi
    sleep 1
  done
  return 1
}
start() {
  systemctl daemon-reload
  systemctl reset-failed "$unit" 2>/dev/null || true
  systemctl restart "$unit"
}
copied() {
  rm -rf "$good.database"
  mkdir -p -m 700 "$good.database" || return 1
  for file in "$database" "$database-wal" "$database-shm"; do
    if [ -e "$file" ]; then cp -p "$file" "$good.database" || return 1; fi
  done
}
files_before() { for file in $files; do cp -p "$good/$(basename "$file")" "$file"; done; }
before=$(cat "$good/image" 2>/dev/null || true)
began=$(date +%s)
if [ -n "$before" ] && [ "$before" != "$image" ]; then
  systemctl stop "$unit"
  if ! copied; then
    rm -rf "$good.database"
    files_before
    start || true
    echo "There is no room for a copy of $database, so the version before it runs on."
    exit 1
  fi
fi
if start && healthy; then
  systemctl -q enable "$unit"
  rm -rf "$good.new"; mkdir -p -m 700 "$good.new"; cp -p $files "$good.new"; echo "$image" > "$good.new/image"
  rm -rf "$good" "$good.database"; mv "$good.new" "$good"
  mkdir -p "$(dirname "$stamp")"; echo "$applied" > "$stamp"
  for old in $(cat "$images" 2>/dev/null); do
    if [ "$old" != "$image" ]; then docker image rm "$old" >/dev/null 2>&1 || true; fi
  done
  echo "$image" > "$images"
  exit 0
fi
journalctl -u "$unit" --since "@$began" -n "$lines" --no-pager -o cat
if [ -d "$good" ]; then
  files_before
  if [ -d "$good.database" ]; then
    systemctl stop "$unit" || true
    rm -f "$database" "$database-wal" "$database-shm"
    for file in "$good.database"/*; do
      if [ -e "$file" ]; then
        cp -p "$file" "$(dirname "$database")" || { echo "The database could not be put back; it is in $good.database."; exit 1; }
      fi
    done
    rm -rf "$good.database"  # a later start that fails must not put back what is old by then
  fi
  if start && healthy; then echo 'The version before it runs again.'; else echo 'The version before it does not become healthy either.'; fi
fi
exit 1
