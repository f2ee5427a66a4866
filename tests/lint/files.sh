#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Prints the files of the working tree, one per line: what git knows or would add, as far as it exists. Where
# git has no answer (a tarball, a tree of another user), everything that has not been built.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# An empty answer is that of a repository around us, which ignores this folder.
{ git ls-files -co --exclude-standard 2>/dev/null | grep . ||
	find . \( -path ./build -o -path ./.git \) -prune -o -type f -print | sed 's|^\./||'; } |
	sort -u | while IFS= read -r f; do
	[ ! -f "$f" ] || echo "$f"
done
