# What pointsman is built from, runs with and is tested with on Debian 12; and how a missing package comes
# onto a machine. Sourced by etc/quickstart and tests/run. Nothing is ever removed without being asked for.

packages_build=(
  g++ cmake ninja-build pkg-config
  libboost1.81-dev libboost-json1.81-dev libboost-url1.81-dev
  libssl-dev libpq-dev libhiredis-dev libsqlite3-dev libsystemd-dev
  libyaml-cpp-dev libfmt-dev libspdlog-dev libcli11-dev libhowardhinnant-date-dev prometheus-cpp-dev
)
packages_servers=(postgresql-15 pgbouncer redis-server)
packages_test=(
  catch2 librapidcheck-dev python3-pytest python3-psycopg2 python3-redis python3-fusepy fuse3 openssl
  iproute2 nginx haproxy libfaketime patch clang libclang-rt-14-dev clang-format clang-tidy shellcheck gcovr systemd
  systemd-container prometheus prometheus-alertmanager git debootstrap
)
packages_bench=(wrk)

packages_missing() {  # PACKAGE... : those that are not installed
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

# Installs what is missing of the packages named, or says how and fails. Servers that are installed here
# are not started: we run our own, on ports of their own.
packages_install() {
  local missing sudo=() plan removed status=0 policy=/usr/sbin/policy-rc.d
  mapfile -t missing < <(packages_missing "$@")
  [ ${#missing[@]} -gt 0 ] || return 0

  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
      sudo=(sudo)
    else
      echo "These packages are missing and only root can install them. Run, then try again:" >&2
      echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
      return 1
    fi
  fi
  echo "installing ${#missing[@]} packages with apt: ${missing[*]}"

  if ! plan=$(apt-get install --simulate --no-install-recommends "${missing[@]}" 2>&1); then
    "${sudo[@]}" apt-get update >/dev/null || echo "apt-get update failed; trying with what is known" >&2
    if ! plan=$(apt-get install --simulate --no-install-recommends "${missing[@]}" 2>&1); then
      printf '%s\n' "$plan" >&2
      echo "apt cannot install: ${missing[*]}" >&2
      return 1
    fi
  fi
  removed=$(sed -n 's/^Remv \([^ ]*\).*/\1/p' <<<"$plan" | tr '\n' ' ')
  if [ -n "$removed" ] && [ "${POINTSMAN_REPLACE_BOOST:-}" != yes ]; then
    {
      echo "Installing what pointsman needs would REMOVE: $removed"
      echo "(libboost1.81-dev conflicts with libboost1.74-dev.) Nothing was changed. If that is fine:"
      echo "  apt-get install --no-install-recommends ${missing[*]}"
      echo "or run this again with --yes-replace-boost (or POINTSMAN_REPLACE_BOOST=yes)."
    } >&2
    return 1
  fi

  local ours=no
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
    "${sudo[@]}" chmod 755 $policy
    ours=yes
  fi
  local log apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y
    --no-install-recommends "${missing[@]}")
  log=$(mktemp)
  "${apt[@]}" >"$log" 2>&1 </dev/null || status=$?
  if [ $status != 0 ] && grep -qE '404|Unable to fetch' "$log"; then
    status=0   # the lists were old
    "${sudo[@]}" apt-get update >/dev/null &&
      "${apt[@]}" >"$log" 2>&1 </dev/null || status=$?
  fi
  [ $ours = no ] || "${sudo[@]}" rm -f $policy
  if [ $status != 0 ]; then
    tail -15 "$log" >&2
    echo "apt-get failed; its output is in $log" >&2
    return 1
  fi
  rm -f "$log"
}
