#!/bin/sh
# Runs on the gateway as root, by pilotlight-data.service: `mount_data VOLUME FOLDER`. The volume is a disk, or (in the
# embedded cloud) a folder that stands for one. It is formatted only where it has no signature of anything on it; a disk
# with anything else than our file system is left alone. What FOLDER had on the root disk goes onto a new volume.
# Repeating it changes nothing but a file system that is smaller than its disk, which grows.
set -eu
volume=$1 folder=$2 patience=${PATIENCE_S:-120}
fail() { echo "$*" >&2; exit 1; }

wait_for_it() {
  end=$(($(date +%s) + patience))
  until [ -e "$volume" ]; do
    [ "$(date +%s)" -lt "$end" ] || fail "the gateway's data volume is not attached: there is no $volume. Run \`pulumi up\`, \
then \`fab deploy\`"
    sleep 1
  done
  disk=$(readlink -f "$volume")
}

format() {
  [ ! -d "$disk" ] || return 0
  found=$(wipefs --noheadings --output TYPE "$disk" | tr '\n' ' ')
  case "$found" in
  '') mkfs.ext4 -q -L pilotlight-data "$disk" ;;
  'ext4 ') ;;
  *) fail "the data volume $volume has ${found}on it and no ext4 file system; nothing was changed" ;;
  esac
}

mount_at() {
  mkdir -p "$1"
  if [ -d "$disk" ]; then mount --bind "$disk" "$1"; else mount -t ext4 -o noatime,nodev,nosuid "$disk" "$1"; fi
}

empty() { [ -z "$(ls -A "$1" | grep -v '^lost+found$' || true)" ]; }

# What a gateway without a volume had: copied whole, or again from the beginning
take_along() {
  new=$folder.new
  mount_at "$new"
  if [ -e "$new/.arriving" ]; then find "$new/" -mindepth 1 -maxdepth 1 ! -name lost+found ! -name .arriving -exec rm -rf {} +; fi
  if [ ! -e "$new/.arriving" ] && ! empty "$new"; then
    umount "$new"
    fail "both the data volume $volume and $folder on the root disk have data; nothing was changed. Move one of them away"
  fi
  systemctl stop pilotlight-webui.service pilotlight-redis.service 2>/dev/null || true
  touch "$new/.arriving"
  cp -a "$folder/." "$new/"
  sync
  rm "$new/.arriving"
  umount "$new"
}

wait_for_it
if mountpoint -q "$folder"; then
  [ -d "$disk" ] || [ "$(findmnt -n -o SOURCE "$folder")" = "$disk" ] ||
    fail "another disk than $volume is mounted at $folder; nothing was changed"
else
  format
  mkdir -p "$folder"
  empty "$folder" || take_along
  mount_at "$folder"
fi
# one that cannot grow now still serves
[ -d "$disk" ] || resize2fs "$disk" >/dev/null 2>&1 || echo "$volume could not be grown to the size of its disk" >&2
