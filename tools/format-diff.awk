# SPDX-License-Identifier: MIT
#
# Reads `diff IS SHOULD` of one file and reports the differences that are more
# than where a line was broken: that is the author's choice. Macros are left out,
# because clang-format doesn't parse what they stand for.

function judge(    same, macro)
{
	same = squeeze(was) == squeeze(should) && was_lines != should_lines
	macro = was ~ /^ #define/ || was ~ /\\\n$/
	if (place != "" && !same && !macro)
		printf "%s:%s:\n%s%s", file, place, was_text, should_text
	was = should = was_text = should_text = ""
	was_lines = should_lines = 0
}

function squeeze(text)
{
	gsub(/[ \t\n]+/, " ", text)
	return text
}

/^[0-9]/ {
	judge()
	place = $0
	sub(/[acd,].*/, "", place)
}
/^</ {
	was = was substr($0, 2)
	was_text = was_text $0 "\n"
	was_lines++
}
/^>/ {
	should = should substr($0, 2)
	should_text = should_text $0 "\n"
	should_lines++
}
END { judge() }
