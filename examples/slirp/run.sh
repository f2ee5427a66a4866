#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guest that serves a page, reached through a forwarded port; no privilege needed.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

[ "${1:-}" != --help ] || {
	echo "usage: examples/slirp/run.sh [PORT]    (8080; then open http://127.0.0.1:PORT/)"
	exit 0
}
port=${1:-8080}
here_or_in_the_lab "$@"

# In the guest: a web server, then a shell.
# shellcheck disable=SC2016 # expanded in the guest
page='mkdir -p /www && echo "Hello from $(uname -r)" >/www/index.html && httpd -h /www
setsid sh -c "exec sh </dev/ttyS0 >/dev/ttyS0 2>&1"'

say "http://127.0.0.1:$port/ is the guest's port 80"
exec "$doorbell" run -i "$initrd" --net "user,hostfwd=tcp:127.0.0.1:$port-:80" \
	-a "$append run=$(base64 -w 0 <<<"$page")" "$kernel"
