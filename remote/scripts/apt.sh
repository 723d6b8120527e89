# Runs on a machine, as root, before a call of `install` or `refresh_and_install`: apt-get that waits for its turn.
# On a first boot cloud-init and apt's daily timers work too. DPkg::Lock::Timeout waits for dpkg's locks only, not for
# /var/lib/apt/lists/lock nor the archives', so a call that found one taken is made again.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
TRIES=150 # a try every 2 s: 5 minutes

# What it ends with is cloud-init's own business; a cloud-init that hangs still meets the locks below
if command -v cloud-init >/dev/null 2>&1; then timeout 300 cloud-init status --wait >/dev/null 2>&1 || true; fi

# apt-get "$@"; its output is in $said
apt() {
  tries=0
  while ! said=$(apt-get -o DPkg::Lock::Timeout=300 -q -y "$@" 2>&1); do
    case $said in
      *"Could not get lock"* | *"Unable to lock"* | *"dpkg frontend lock"*) ;;
      *) return 1 ;;
    esac
    tries=$((tries + 1))
    if [ "$tries" -ge "$TRIES" ]; then return 1; fi
    sleep 2
  done
}

install() {
  apt install --no-install-recommends "$@"
}

# Ends the script with the first thing that went wrong: a failed update, its warnings, or what install said
refresh_and_install() {
  apt update || { printf '%s\n' "$said"; exit 1; }
  warned=$(printf '%s\n' "$said" | grep -E '^(Err|E:|W:)' || true)
  install "$@" || { printf '%s\n' "$said" | tail -n 15; printf '%s\n' "$warned" | tail -n 5; exit 1; }
}
