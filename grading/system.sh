#!/bin/sh
# Install the system packages that the kit's own tests need: the jail, a browser, a database, a
# terminal, networks.
# Does nothing when they are all there.
set -eu

missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need bwrap bubblewrap
need chromium chromium
need chromedriver chromium-driver
need ip iproute2
need openssl openssl
need shellcheck shellcheck
need tmux tmux
[ -d /usr/lib/postgresql ] || missing="$missing postgresql"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as=""; elif sudo -n true 2>/dev/null; then as="sudo -n"; else as="no"; fi
if ! command -v apt-get >/dev/null 2>&1 || [ "$as" = no ]; then
  echo "The kit's own tests need these system packages. Install them, then run make check again:" >&2
  echo "  sudo apt-get install$missing" >&2
  exit 2
fi
echo "Installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as apt-get update -qq >/dev/null
# shellcheck disable=SC2086  # a list of words
$as apt-get install -y -qq --no-install-recommends $missing >/dev/null
