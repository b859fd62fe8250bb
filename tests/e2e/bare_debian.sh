#!/usr/bin/env bash
# The quickstart in a bare Debian 12: debootstrap's minbase in a folder (kept in a cache for the next time),
# the committed tree and nothing beside it, chroot in namespaces of its own, etc/quickstart --demo-failover to
# the end. Needs root, debootstrap and a Debian mirror. Run by `tests/run --bare`.
#
# How this machine reaches its mirror (sources, proxy, keys) is carried in from /etc/apt and the environment.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cache=${POINTSMAN_CACHE:-/var/cache/pointsman-tests}
base=$cache/bare-minbase
[ "$(id -u)" = 0 ] || { echo "bare_debian.sh: only root can make a Debian in a folder" >&2; exit 2; }
for tool in debootstrap unshare git; do
  command -v $tool >/dev/null || { echo "bare_debian.sh: $tool is not installed" >&2; exit 2; }
done

mkdir -p "$cache"
work=$(mktemp -d "$cache/bare-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM HUP

if [ ! -d "$base" ]; then
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk '$2 ~ /^bookworm$|^stable$/ && /debian/ { print $1; exit }')
  echo "debootstrap from ${mirror:=http://deb.debian.org/debian}"
  rm -rf --one-file-system "$base.part"
  # What debootstrap mounts ends with its mount namespace, also when it is interrupted.
  unshare --mount --propagation private \
    debootstrap --variant=minbase bookworm "$base.part" "$mirror" >"$cache/debootstrap.log" 2>&1 ||
    { tail -20 "$cache/debootstrap.log" >&2; exit 1; }
  mv "$base.part" "$base"
fi

cp -a "$base/." "$work"
carry() { # PATH... : the same path inside, where there is such a one
  local path
  for path in "$@"; do
    [ -e "$path" ] || continue
    mkdir -p "$work$(dirname "$path")"
    rm -rf "${work:?}$path"
    cp -aL "$path" "$work$path"
  done
}
rm -f "$work"/etc/apt/sources.list
carry /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/keyrings /etc/apt/trusted.gpg.d /usr/share/keyrings \
  /etc/apt/auth.conf.d /etc/resolv.conf /etc/hosts /etc/ssl/certs
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
  if [ -f "$file" ] && grep -q 'Acquire::' "$file"; then carry "$file"; fi
done

mkdir -p "$work/srv/pointsman"
git -C "$root" archive HEAD | tar -x -C "$work/srv/pointsman"

echo "etc/quickstart --demo-failover in $work, of $(git -C "$root" rev-parse --short HEAD)"
begun=$SECONDS
proxies=()
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [ -z "${!name:-}" ] || proxies+=("$name=${!name}")
done
status=0
# The pid namespace ends with whatever was left in it; the mounts end with the mount namespace.
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "${proxies[@]}" \
  unshare --mount --pid --fork --kill-child bash -euc '
    mount --make-rprivate /
    mount --rbind /dev "$1/dev"
    mount -t proc proc "$1/proc"
    mount -t tmpfs tmpfs "$1/run"
    exec chroot "$1" /bin/bash -c "
      set -u
      apt-get update >/tmp/update.log 2>&1 || { cat /tmp/update.log; exit 1; }
      rm -f /tmp/update.log
      cd /srv/pointsman && etc/quickstart --demo-failover
      status=\$?
      left=\$(ls -A /tmp; for p in /proc/[0-9]*; do
        case \$(readlink \$p/exe) in \"\"|*/bash|*/readlink) ;; *) readlink \$p/exe ;; esac; done)
      echo \"left in /tmp and running: \${left:-nothing}\"
      [ -z \"\$left\" ] || status=1
      exit \$status"
  ' bare "$work" </dev/null || status=$?
echo "the whole took $(((SECONDS - begun) / 60)) min $(((SECONDS - begun) % 60)) s, exit $status"
exit $status
