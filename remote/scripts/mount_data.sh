#!/bin/sh
# Runs on the gateway as root, by pilotlight-data.service: `mount_data VOLUME FOLDER`. The volume is a disk, or (in the
# embedded cloud) a folder that stands for one. It is formatted only where it has no signature of anything on it; a disk
# with anything else than our file system is left alone. What FOLDER had on the root disk goes onto a new volume, and is
# moved aside: below the volume it would stand in its way at the next boot. While the volume is not there, FOLDER is not
# there either, so that nothing (`fab keys.add`, say) is written to the root disk instead.
# Repeating it changes nothing but a file system that is smaller than its disk, which grows.
set -eu
volume=$1 folder=$2 patience=${PATIENCE_S:-120}
fail() { echo "$*" >&2; exit 1; }

wait_for_it() {
  mountpoint -q "$folder" || rmdir "$folder" 2>/dev/null || true  # one with data in it stays
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
  # by itself: a pipe would hide that it failed, and a disk that cannot be read is not blank
  found=$(wipefs --noheadings --output TYPE "$disk") || fail "what is on $volume cannot be read; nothing was changed"
  found=$(printf %s "$found" | tr '\n' ' ')
  case "$found" in
  '') mkfs.ext4 -q -L pilotlight-data "$disk" ;;
  ext4) ;;
  *) fail "the data volume $volume has $found on it and no ext4 file system; nothing was changed" ;;
  esac
}

mount_at() {
  mkdir -p "$1"
  if [ -d "$disk" ]; then mount --bind "$disk" "$1"; else mount -t ext4 -o noatime,nodev,nosuid "$disk" "$1"; fi
}

empty() { [ -z "$(ls -A "$1" | grep -v '^lost+found$' || true)" ]; }

# one that cannot grow now still serves
grow() { [ -d "$disk" ] || resize2fs "$disk" >/dev/null 2>&1 || echo "$volume could not be grown to the size of its disk" >&2; }

# What a gateway without a volume had: copied whole, or again from the beginning
take_along() {
  new=$folder.new
  if mountpoint -q "$new"; then umount "$new"; fi  # since a copy that was cut off: a second mount is refused
  mount_at "$new"
  grow  # a first copy may have found too little room
  if [ -e "$new/.arriving" ]; then find "$new/" -mindepth 1 -maxdepth 1 ! -name lost+found ! -name .arriving -exec rm -rf {} +; fi
  if [ ! -e "$new/.arriving" ] && ! empty "$new"; then
    umount "$new"
    fail "both the data volume $volume and $folder on the root disk have data; nothing was changed. Move one of them away"
  fi
  systemctl stop pilotlight-webui.service pilotlight-redis.service 2>/dev/null || true
  touch "$new/.arriving"
  cp -a "$folder/." "$new/"
  sync
  mv "$folder" "$folder.copied-$(date -u +%Y%m%dT%H%M%SZ)"
  mkdir "$folder"
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
  rm -f "$folder/.arriving"  # what it names is whole, or its source is gone
fi
grow
