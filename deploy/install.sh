#!/bin/sh
# Installs Luytre on a Debian-like machine with systemd: a virtual environment in /opt/luytre, two users, the units.
# Run as root from the source folder. Repeat it to upgrade. It starts nothing and writes no configuration.
#
#   sh deploy/install.sh                           from PyPI, every file checked against its hash
#   sh deploy/install.sh --wheelhouse FOLDER       without the Internet: what `make wheelhouse` made elsewhere
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
[ "$(id -u)" = 0 ] || { echo "run me as root" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: PYTHON=python3.x sh $0" >&2; exit 1; }

from=
case ${1:-} in
  --wheelhouse) from="--no-index --find-links $(cd "$2" && pwd)" ;;
  "") ;;
  *) echo "usage: $0 [--wheelhouse FOLDER]" >&2; exit 2 ;;
esac

# What runs goes on with the old environment, whole, until it is started again.
new=/opt/luytre-$(date -u +%Y%m%dT%H%M%SZ)
"$python" -m venv "$new"
# shellcheck disable=SC2086 # two words on purpose
"$new/bin/python" -m pip install --quiet --disable-pip-version-check $from --only-binary :all: --require-hashes -r locks/run.txt
source=$(mktemp -d)
cp -r pyproject.toml README.md LICENSE luytre ingest enrich detections playbooks verifier "$source"
# The build backend looks for its program in the path.
PATH=$new/bin:$PATH "$new/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation "$source" "$source/verifier"
rm -rf "$source"
"$new/bin/luytre" version

getent group luytre >/dev/null || groupadd --system luytre
for user in luytre luytre-signer; do
  getent passwd "$user" >/dev/null ||
    useradd --system --gid luytre --no-create-home --home-dir "/var/lib/$user" --shell /usr/sbin/nologin "$user"
done
runuser -u luytre -- "$new/bin/luytre" version >/dev/null || {
  echo "the user luytre cannot run this Python (is it in somebody's home?): PYTHON=/usr/bin/python3 sh $0" >&2
  exit 1
}
install -d -o root -g luytre -m 0750 /etc/luytre /etc/luytre/rules
install -d -o luytre -g luytre -m 0700 /var/backups/luytre

if [ -d /opt/luytre ] && [ ! -L /opt/luytre ]; then echo "/opt/luytre is a folder of yours: move it away" >&2; exit 1; fi
ln -sfn "$new" /opt/luytre.next
mv -T /opt/luytre.next /opt/luytre
ln -sf /opt/luytre/bin/luytre /usr/local/bin/luytre
install -d /etc/systemd/system/luytre-.service.d
install -m 0644 deploy/systemd/*.service deploy/systemd/*.timer deploy/systemd/*.target /etc/systemd/system/
install -m 0644 deploy/systemd/luytre-.service.d/*.conf /etc/systemd/system/luytre-.service.d/
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo "installed $new; write /etc/luytre/luytre.yaml (deploy/low-spec, deploy/systemd), then: systemctl enable --now luytre.target"
