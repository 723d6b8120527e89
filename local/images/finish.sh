#!/bin/sh
# Turn a fresh Debian tree into a machine: finish.sh TARGET. Part of the recipe: an edit here makes a new image.
set -eu
target=$1
in_target() { chroot "$target" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }
put() { mkdir -p "$(dirname "$target$2")"; cat >"$target$2"; chmod "$1" "$target$2"; }

# The user of Ubuntu's cloud image. `*` and not `!`: sshd refuses locked accounts even with a key.
in_target useradd --create-home --shell /bin/bash --groups sudo ubuntu
in_target usermod --password '*' ubuntu
in_target usermod --password '*' root
put 0440 /etc/sudoers.d/pilotlight <<'EOF'
ubuntu ALL=(ALL) NOPASSWD: ALL
EOF
in_target install -d -m 0700 -o ubuntu -g ubuntu /home/ubuntu/.ssh
put 0644 /etc/ssh/sshd_config.d/pilotlight.conf <<'EOF'
PasswordAuthentication no
PermitRootLogin no
UseDNS no
EOF
echo 'LANG=C.UTF-8' | put 0644 /etc/default/locale
echo 'Acquire::Languages "none";' | put 0644 /etc/apt/apt.conf.d/90pilotlight

# Every machine draws its own identity at its first boot.
rm -f "$target"/etc/ssh/ssh_host_*
: >"$target/etc/machine-id"
put 0644 /etc/systemd/system/ssh.service.d/keys.conf <<'EOF'
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
EOF

# The machine's environment (/etc/environment, systemd's DefaultEnvironment, sudo's env_file) comes with each machine:
# local/cloud/machine_files.py.
in_target systemctl enable -q ssh.service
in_target systemctl disable -q haproxy.service nftables.service redis-server.service
in_target systemctl mask -q systemd-udevd.service systemd-logind.service getty.target console-getty.service \
    systemd-networkd.service systemd-resolved.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-timesyncd.service || true
in_target systemctl set-default -q multi-user.target

# Lean: what can be had again is not carried.
rm -rf "$target"/var/cache/apt/archives/*.deb "$target"/var/lib/apt/lists/* "$target"/usr/share/doc "$target"/usr/share/man \
    "$target"/usr/share/info "$target"/var/log/*.log
find "$target/usr/share/locale" -mindepth 1 -maxdepth 1 ! -name 'en*' ! -name C.UTF-8 ! -name locale.alias -exec rm -rf {} +
