#!/bin/sh
# Installs what tipring's build and tests need on a bare Debian 12 or 13.
#
#   tests/lab/setup.sh [build|test|interop|all]
#
#   build     compiler and libraries
#   test      + what `make test` needs
#   interop   + real peers: Kamailio, baresip, coturn, sipp from Debian's packages, Asterisk, pjsua2 and PESQ into the
#             cache
#   all       + cargo-deny and cargo-fuzz
#
# Does nothing where everything is there. Root is needed for apt only (taken by sudo). Asterisk is not in Debian's
# stable releases: it is unpacked from the unstable one, next to the system and not into it.
# TIPRING_LAB_CACHE: where that goes, ~/.cache/tipring-lab unless set.
set -eu

mode=${1:-all}
case $mode in
    build | test | interop | all) ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
wants() { case " $* " in *" $mode "*) ;; *) return 1 ;; esac; }

cache=${TIPRING_LAB_CACHE:-${HOME:-/root}/.cache/tipring-lab}
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Installs those of the packages that are missing.
packages() {
    missing=
    for package; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "installing:$missing"
    as_root apt-get -o DPkg::Lock::Timeout=300 update -q
    # shellcheck disable=SC2086  # a list
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -q -y \
        --no-install-recommends $missing
}

build_packages() {
    packages gcc libc6-dev libasound2-dev pkg-config make ca-certificates
    has_rust || rust
}

# Whether there is a compiler, and new enough (rust-version in Cargo.toml).
has_rust() {
    minor=$(cargo --version 2>/dev/null | sed 's/^cargo 1\.\([0-9]*\)\..*/\1/')
    [ "${minor:-0}" -ge 89 ]
}

# Debian 12 keeps a recent compiler for its browsers beside the old one; Debian 13's own is older than tipring wants,
# but it has rustup.
rust() {
    as_root apt-get -o DPkg::Lock::Timeout=300 update -q
    if apt-cache show rustc-web >/dev/null 2>&1; then
        packages rustc-web cargo-web rust-web-clippy rustfmt-web
    else
        packages rustup
        rustup default stable
    fi
}

test_packages() {
    packages alsa-utils
}

interop_packages() {
    packages mmdebstrap sip-tester baresip-core kamailio kamailio-tls-modules kamailio-outbound-modules \
        kamailio-presence-modules coturn nftables iproute2 util-linux python3-venv python3-dev
    mkdir -p "$cache"
    asterisk
    python_tools
}

# Asterisk and recorded speech, with every library they need, in a folder that it is run from in place.
asterisk() {
    [ -e "$cache/asterisk/usr/sbin/asterisk" ] && return
    echo "unpacking Asterisk into $cache/asterisk"
    # The mirror that this machine's own packages come from.
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1)
    part=$cache/asterisk.part
    as_root rm -rf "$part"
    # Nothing of it is installed, so neither chroot nor maintainers' scripts are needed. Valid-Until: mirrors of the
    # unstable release may lag.
    as_root mmdebstrap --quiet --variant=extract --mode=chrootless \
        --include=asterisk,asterisk-core-sounds-en-wav \
        --aptopt='Acquire::Check-Valid-Until "false"' sid "$part" "deb $mirror sid main"
    as_root chown -R "$(id -u):$(id -g)" "$part"
    mv "$part" "$cache/asterisk"
}

# ITU-T P.862 for the tests that compare speech, and pjsua2, the telephone of another make.
python_tools() {
    "$cache/venv/bin/python" -c 'import pesq, soundfile, pjsua2' 2>/dev/null && return
    echo "installing pesq and pjsua2 into $cache/venv"
    rm -rf "$cache/venv"
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install -q --disable-pip-version-check numpy soundfile pesq \
        pjsua2-python==2.15.1.post1
}

cargo_tools() {
    for tool in cargo-deny cargo-fuzz; do
        command -v "$tool" >/dev/null || cargo install --locked "$tool"
    done
}

build_packages
if wants test interop all; then test_packages; fi
if wants interop all; then interop_packages; fi
if wants all; then cargo_tools; fi
echo "ready: $mode"
