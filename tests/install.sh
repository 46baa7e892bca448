#!/bin/sh
# Installs what the tests start: Slurm with its accounting, PostgreSQL, a browser for the page, LaTeX for the tables and
# shells that complete.
# Debian or Ubuntu, as root. What is there already is left as it is; nothing starts by itself.
set -eu
packages="munge slurmctld slurmd slurm-client slurmdbd mariadb-server postgresql chromium texlive-latex-recommended zsh fish"
wanted=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || wanted="$wanted $package"
done
[ -n "$wanted" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
# Debian starts a daemon when its package is installed, unless this file says no (101).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get -qq update
# shellcheck disable=SC2086
apt-get -qq install -y --no-install-recommends $wanted
