# SPDX-License-Identifier: Apache-2.0
#
# At most 800 lines in a file and 60 in a function (from its name to its closing brace). A function is
# what starts in the first column with "{" behind a line that ends in ")", or for shell "name() {".

BEGIN {
	max_file = 800
	max_function = 60
}

function end_file() {
	if (file != "" && lines > max_file)
		print file ": " lines " lines, possible are " max_file
}

FNR == 1 {
	end_file()
	file = FILENAME
	start = 0
	c = FILENAME ~ /\.[ch]$/
}

{ lines = FNR }

c && /^[a-zA-Z_].*\(/ { head = FNR }
c && /^{/ { start = head ? head : FNR }
!c && /^[a-zA-Z_][a-zA-Z0-9_-]*\(\) [{(]/ { start = FNR }

/^}/ && start {
	if (FNR - start + 1 > max_function)
		print file ":" start ": function of " FNR - start + 1 " lines, possible are " max_function
	start = head = 0
}

END { end_file() }
