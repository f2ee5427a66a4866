# SPDX-License-Identifier: Apache-2.0
#
# Who may include what. The arrows go down:
#
#           vmm/main.c
#               |
#   vmm/  (assembly: config, kvm, vcpu, vm)
#    |        |         |         |
#  arch/   devices/   net/      boot/     audit/ beside them knows none but arch/arch.h
#    |        |         |         |
#    +--------+----+----+---------+
#                  |
#             vmm/core/
#
# Also: paths from the root (not in programs that run inside a guest); a .c file's own header first,
# then the system's, then ours.

BEGIN {
	# Regular expressions of what a folder may include.
	may["vmm/core"] = "^vmm/core/"
	may["devices"] = "^(vmm/core|devices)/"
	may["net"] = "^(vmm/core|net)/"
	may["boot"] = "^(vmm/core|boot)/"
	may["arch"] = "^(vmm/core/|vmm/kvm\\.h$|boot/|arch/arch\\.h$)" # and its own CPU's folder
	may["audit"] = "^(vmm/core|audit)/|^arch/arch\\.h$"
	may["vmm"] = "^(vmm|devices|net|boot|audit)/|^arch/arch\\.h$"
	may["bench/cmd"] = "^(vmm|devices|net|boot|audit|bench/cmd|bench/guest)/|^arch/arch\\.h$"
	may["check"] = "^(vmm|devices|net|boot|check)/|^arch/arch\\.h$"
}

function say(what) {
	print FILENAME ":" FNR ": " what
}

function folder_of(path) {
	if (path ~ /^vmm\/core\//)
		return "vmm/core"
	if (path ~ /^bench\/cmd\//)
		return "bench/cmd"
	sub(/\/.*/, "", path)
	return path
}

function allowed(path) {
	if (!(folder in may) || path ~ may[folder])
		return 1
	if (folder == "arch")
		return index(path, cpu "/") == 1
	# Devices know that there are backends, in one place, and none of them.
	return FILENAME ~ /^devices\/virtio_net[a-z_]*\.[ch]$/ && path == "net/net_backend.h"
}

FNR == 1 {
	folder = folder_of(FILENAME)
	cpu = FILENAME
	sub(/\/[^\/]*$/, "", cpu)
	own = FILENAME
	sub(/\.c$/, ".h", own)
	is_c = FILENAME ~ /\.c$/
	has_own = is_c && (getline line < own) >= 0
	if (has_own)
		close(own)
	nr = ours = 0
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	path = part[2]
	nr++
	if (FILENAME !~ /^(tests\/(tiny|guest)|bench\/guest|examples\/driver)\// && path !~ /^[a-z].*\//)
		say("\"" path "\" is not a path from the root")
	else if (!allowed(path))
		say(folder "/ may not include \"" path "\"")
	if (path == own && nr != 1)
		say("a file's own header comes first")
	if (has_own && nr == 1 && path != own && folder !~ /^(tests|examples)$/)
		say("the first include should be \"" own "\"")
	if (path != own)
		ours = 1
}

/^[ \t]*#[ \t]*include[ \t]*</ {
	nr++
	if (has_own && nr == 1 && folder !~ /^(tests|examples)$/)
		say("the first include should be \"" own "\"")
	if (ours && folder !~ /^(tests|examples)$/)
		say("system headers come before ours")
	if ($0 ~ /<linux\/kvm\.h>/ && folder ~ /^(devices|net|boot|vmm\/core)$/)
		say(folder "/ may not know KVM")
}
