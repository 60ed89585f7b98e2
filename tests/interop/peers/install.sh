#!/usr/bin/env bash
# Installs the real peers on Debian 12, as root: Asterisk 16 (bookworm has none, so bullseye's), Kamailio, baresip, sipp,
# pyVoIP in a directory of its own, and what measures them.
# No daemon is started, and the machine's own package sources stay as they are.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT

if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
fi

apt_get() { apt-get -qq -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root "$@" < /dev/null > "$state/log" 2>&1 || { tail -n 40 "$state/log" >&2; return 1; }; }

present() { command -v "$1" > /dev/null; }

if ! { present baresip && present sipp && present sox && present dumpcap && present ip && present flite && present openssl && present kamailio; }; then
  apt_get update
  apt_get install -y --no-install-recommends kamailio baresip-core sip-tester sox tshark iproute2 flite openssl
fi

# bookworm has every library that bullseye's Asterisk needs but two. A private apt configuration pins bullseye low, so that
# only those and Asterisk itself come from there, and nothing installed is changed.
if ! present asterisk; then
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  uri=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources)
  key=signed-by=/usr/share/keyrings/debian-archive-keyring.gpg
  printf 'deb [%s] %s bookworm main\ndeb [%s] %s bullseye main\n' "$key" "$uri" "$key" "$uri" > "$state/sources.list"
  printf 'Package: *\nPin: release n=bullseye\nPin-Priority: 100\n' > "$state/preferences"
  private=(-o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::Etc::preferences=$state/preferences"
    -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache")
  apt_get "${private[@]}" update
  apt_get "${private[@]}" install -y --no-install-recommends asterisk asterisk-opus asterisk-core-sounds-en-wav
fi

# Never in the environment of sipagent: it is a caller in a process of its own, and its licence is not ours.
peers=$(cd "$(dirname "$0")" && pwd)
python=$peers/../../../.venv/bin/python
if [ ! -d "$peers/.pyvoip" ]; then
  "$python" -m pip install --quiet --root-user-action=ignore --no-deps --target "$peers/.pyvoip" pyVoIP==1.6.8
fi

asterisk -V
kamailio -v | head -n 1
dpkg-query -W -f '${Package} ${Version}\n' baresip-core sip-tester tshark flite
