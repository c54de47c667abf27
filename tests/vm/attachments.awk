# SPDX-License-Identifier: MIT
#
# attachments.awk COLUMN.tap...: a table of how many tests of each suite passed, a column for each
# file. A result is `ok N - SUITE/TEST`; one without a suite is none of these, but may fail. Exits
# with an error if one failed, or the columns have not as many.

FNR == 1 { column[++columns] = substr(FILENAME, 1, length(FILENAME) - 4) }
!/^(ok|not ok) / { next }
/^not ok / { failed[columns]++ }
{
	split($0, part, / - /)
	if (!split(part[2], name, "/") || name[2] == "")
		next
	if (!(name[1] in seen))
		suite[++suites] = name[1]
	seen[name[1]] = 1
	all[columns]++
}
/# SKIP/ { skipped[name[1], columns]++; skips[columns]++; next }
/^ok / { passed[name[1], columns]++; passes[columns]++ }
function cell(n, left_out) { return n + 0 (left_out ? ", " left_out " skipped" : "") }
END {
	line = "| test |"
	rule = "| --- |"
	for (c = 1; c <= columns; c++) {
		line = line " " column[c] " |"
		rule = rule " --- |"
	}
	print line "\n" rule
	for (s = 1; s <= suites; s++) {
		line = "| `" suite[s] "` |"
		for (c = 1; c <= columns; c++)
			line = line " " cell(passed[suite[s], c], skipped[suite[s], c]) " |"
		print line
	}
	line = "| all |"
	for (c = 1; c <= columns; c++) {
		line = line " " cell(passes[c], skips[c]) " |"
		bad += failed[c] + (all[c] != all[1])
	}
	print line
	exit bad > 0
}
