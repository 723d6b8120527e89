#!/bin/sh
# From nothing to `.venv`: finds Python and uv (or brings them), and installs requirements.lock where it changed.
# `make` runs this first and then `python -m local.setup`. Safe to interrupt and to run again.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$root"
case ${XDG_CACHE_HOME:-} in /*) cache=$XDG_CACHE_HOME/pilotlight ;; *) cache=$HOME/.cache/pilotlight ;; esac
uv_version=$(sed -n 's/^UV: Final = "\(.*\)".*/\1/p' core/versions.py)
export UV_CACHE_DIR="$cache/uv" UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=manual
# The system's certificates, not uv's and pip's own lists: local/trust.py says why, and does the same for the rest.
bundle=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
network="Proxies come from the environment (HTTPS_PROXY, NO_PROXY). If one inspects TLS, its CA belongs into the system's store: copy it to /usr/local/share/ca-certificates/NAME.crt and run \`sudo update-ca-certificates\`."
# The Makefile puts .venv/bin first on PATH; what is to be found here is what the environment is made from.
PATH=$(printf %s "$PATH" | tr : '\n' | grep -vxF "$root/.venv/bin" | paste -sd: -)
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

fail() { echo "set-up: $*" >&2; exit 1; }
say() { echo "set-up: $*"; }

apt_install() {
    command -v apt-get >/dev/null || fail "$* is missing and this is not Debian or Ubuntu. Install it and run \`make\` again."
    how="apt-get update && apt-get install -y $*"
    if [ "$(id -u)" = 0 ]; then sudo=
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then sudo=sudo
    else fail "$* is missing and installing it needs root. Run: sudo sh -c '$how'"; fi
    say "installing $* (apt)"
    if [ -n "$sudo" ]; then # sudo drops the proxies
        sudo="sudo --preserve-env=http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY"
    fi
    $sudo apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null || fail "\`apt-get update\` failed. Mend apt's sources and run \`make\` again. $network"
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" >/dev/null ||
        fail "apt could not install $*. Run: sudo sh -c '$how'"
}

find_python() {
    for name in python3 python3.13 python3.12 python3.11 python3.14; do
        if command -v "$name" >/dev/null && "$name" -c "$new_enough" 2>/dev/null; then command -v "$name"; return; fi
    done
}

# Unless pip has been told otherwise, by its environment or its configuration.
trust_system() {
    if [ -z "${PIP_CERT:-}" ] && [ -r "$bundle" ] && ! "$1" config get global.cert >/dev/null 2>&1; then
        export PIP_CERT="$bundle"
    fi
}

# uv of exactly the pinned version: machines share its cache, and a cache's layout belongs to a version.
find_uv() {
    uv=$cache/tools/uv-$uv_version/uv
    if [ -x "$uv" ]; then return; fi
    if command -v uv >/dev/null && [ "$(uv --version 2>/dev/null | cut -d' ' -f2)" = "$uv_version" ]; then uv=$(command -v uv); return; fi
    command -v python3 >/dev/null || apt_install python3 python3-venv
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
    say "bringing uv $uv_version"
    draft=$cache/tools/.uv-$$
    trap 'rm -rf "$draft"' EXIT
    trap 'exit 130' INT TERM HUP
    mkdir -p "$cache/tools/uv-$uv_version"
    python3 -m venv "$draft" && trust_system "$draft/bin/pip" &&
        "$draft/bin/pip" -q --disable-pip-version-check install "uv==$uv_version" ||
        fail "uv $uv_version could not be installed from PyPI. Is there a way to it? Try: python3 -m pip download uv==$uv_version. $network"
    mv "$draft/bin/uv" "$uv"
    rm -rf "$draft"
}

make_venv() {
    if [ -x .venv/bin/python ] && .venv/bin/python -c "$new_enough" 2>/dev/null; then return; fi
    python=$(find_python)
    say "making .venv with ${python:-a Python 3.12 that uv brings}"
    if [ -n "$python" ]; then "$uv" -q venv --clear --python "$python" .venv; return; fi
    UV_PYTHON_DOWNLOADS=automatic "$uv" -q venv --clear --python 3.12 .venv ||
        fail "pilotlight needs Python 3.11 or newer; python3 here is $(python3 --version 2>&1), and uv could not bring one. Install python3.11 and python3.11-venv and run \`make\` again. $network"
}

# `pilotlight` stands beside `fab`, and finds this checkout by the link.
link_program() { [ .venv/bin/pilotlight -ef local/setup/pilotlight ] || ln -sf ../../local/setup/pilotlight .venv/bin/pilotlight; }

stamp=.venv/.installed.lock
if [ -x .venv/bin/uv ] && [ -x .venv/bin/python ] && cmp -s requirements.lock "$stamp"; then link_program; exit 0; fi
mkdir -p "$cache"
# Two clones, or two `make`s in one: one after the other. (flock comes with Debian's base system.)
if [ -z "${PILOTLIGHT_BOOTSTRAP_LOCKED:-}" ] && command -v flock >/dev/null; then
    PILOTLIGHT_BOOTSTRAP_LOCKED=1 exec flock "$cache/bootstrap.lock" sh "$0"
fi
find_uv
make_venv
[ "$uv" -ef .venv/bin/uv ] || ln -sf "$uv" .venv/bin/uv # itself, where the venv is on PATH
# Machines of the embedded cloud fill the cache too, as root.
if [ "$(id -u)" != 0 ] && [ -d "$UV_CACHE_DIR" ] && [ -n "$(find "$UV_CACHE_DIR" -maxdepth 2 ! -user "$(id -u)" -print -quit)" ]; then
    say "taking back what machines left in $UV_CACHE_DIR (sudo chown)"
    sudo chown -R "$(id -u):$(id -g)" "$UV_CACHE_DIR" || fail "root owns a part of $UV_CACHE_DIR. Run: sudo chown -R \$USER $UV_CACHE_DIR"
fi
say "installing requirements.lock into .venv"
rm -f "$stamp"
"$uv" -q pip sync --python .venv/bin/python requirements.lock ||
    fail "requirements.lock could not be installed. Run: UV_SYSTEM_CERTS=true .venv/bin/uv pip sync --python .venv/bin/python requirements.lock. $network"
link_program
cp requirements.lock "$stamp.new" && mv "$stamp.new" "$stamp"
