#!/bin/sh
# Build the machine image's file system: build.sh TARGET OUTPUT.tar [MIRROR]. Needs root. Leaves no mount behind.
# Without MIRROR, debootstrap's own default is used. `local/setup/base_image.py` calls this and imports the tar.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
target=$1 output=$2 mirror=${3:-}

leave() {
    code=$?
    for inside in proc sys dev/pts dev; do
        if grep -q " $target/$inside " /proc/mounts; then umount "$target/$inside" || true; fi
    done
    rm -rf --one-file-system "$target"
    [ $code -eq 0 ] || rm -f "$output"
    exit $code
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

include=$(sed -e 's/#.*//' -e '/^ *$/d' "$here/packages.txt" | paste -sd, -)
mkdir -p "$target"
debootstrap --variant=minbase --include="$include" \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg bookworm "$target" ${mirror:+"$mirror"}
sh "$here/finish.sh" "$target"
echo "Packing $output"
tar --one-file-system --numeric-owner -C "$target" -c . >"$output"
if [ -n "${SUDO_UID:-}" ]; then chown "$SUDO_UID:$SUDO_GID" "$output"; fi
