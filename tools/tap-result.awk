# SPDX-License-Identifier: MIT
#
# Judges what one test program wrote. In: its output, and -v name, status (its
# exit status), limit (its seconds), tap (1: it speaks TAP, 0: only its status
# counts), begin and end (seconds of the clock). Out: a line for people, the failures with what
# was said about them, and at last "RESULT passed failed skipped".
#
# Besides `not ok` lines it is a failure to end by a signal, to exceed the limit,
# to exit with an error that no line explains, to give no plan, and to give other
# than the planned number of results. A `not ok` with TODO is a failure too.

BEGIN { plan = -1; lines_max = 60 }

{ line[NR] = $0 }

!tap { next }

/^1\.\.[0-9]+/ {
	plan = substr($1, 4) + 0
	if (plan == 0)
		skipped = 1
	next
}
/^ok( |$)/ {
	if (toupper($0) ~ /# *SKIP/)
		skipped++
	else
		passed++
	said = ""
	next
}
/^not ok( |$)/ {
	failed++
	why = why "    " $0 "\n" said
	said = ""
	next
}
/^Bail out!/ { problem("it gave up: " $0) }
{ said = said "        " $0 "\n" }

function problem(what)
{
	failed++
	why = why "    " what "\n"
	broken = 1
}

function judge_status()
{
	if (status == 124 || status == 137)
		problem("it took more than its limit of " limit " s")
	else if (status > 128)
		problem("it ended by signal " status - 128)
	else if (tap && status != 0 && failed == 0)
		problem("it exited with " status " without a failed test")
	else if (!tap && status == 77)
		skipped = 1
	else if (!tap && status != 0)
		problem("it exited with " status)
	else if (!tap)
		passed = 1
}

function judge_plan(    results)
{
	if (plan > 0)
		results = passed + failed + skipped
	if (plan < 0)
		problem("it gave no plan")
	else if (plan > 0 && results != plan)
		problem("it planned " plan " tests and gave " results)
}

END {
	if (tap && status <= 123)
		judge_plan()
	judge_status()
	printf "%-6s %-40s %5d", failed ? "FAILED" : passed ? "ok" : "skip", name, passed
	if (failed)
		printf ", %d failed", failed
	if (skipped)
		printf ", %d skipped", skipped
	printf "  (%.1f s)\n", end - begin
	printf "%s", why
	if (broken) {
		from = NR > lines_max ? NR - lines_max : 0
		print "    the end of its output:"
		for (i = from + 1; i <= NR; i++)
			print "        " line[i]
	}
	print "RESULT", passed + 0, failed + 0, skipped + 0
}
