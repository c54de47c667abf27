#!/bin/bash
# SPDX-License-Identifier: MIT
# top: one table, JSON, and the screen as a terminal would show it.
here=$(dirname "$0")
. "$here/tap.sh"

ch=$(channel top)
start "$dir/got" "$dir/err" env KECHO_NODE=beta "$kecho" sub --policy block "$ch"
sub=$pid
start /dev/null "$dir/pub.err" env KECHO_NODE=alpha "$kecho" pub \
	--from loadavg --interval 5ms --wait-sinks 1 "$ch"
pub=$pid
until_true lines_in "$dir/got" 3
claim $? "events flow"

out=$("$kecho" top)
is $? 0 "top, not on a terminal"
has "$out" '^ SRC SINK  *EVENTS/S .* CHANNEL$' "a table of channels"
has "$out" "^   1    1  *[0-9.]* .*  $ch$" "with ours"
has "$out" '^STATE .* NODE$' "a table of links"
has "$out" '^up .* alpha$' "with that to the source's node"
"$kecho" top --json "$ch" >"$dir/json"
is $? 0 "top --json"
python3 -c "
import json, sys
t = json.load(open(sys.argv[1]))
c, = t['channels']
assert c['channel'] == sys.argv[2] and c['sources'] == c['sinks'] == 1, c
# 200, but that a busy machine makes it fewer, or others catch up.
assert 0 < c['events_per_s'] < 1000 and c['bytes_per_s'] > 10 * c['events_per_s'], c
assert c['lost'] == 0 and c['silent'] == 0 and c['lag_bytes'] >= 0, c
assert {m['node_name'] for m in c['members']} == {'alpha', 'beta'}, c
assert {l['name'] for l in t['links']} >= {'alpha', 'beta'}, t
assert all(l['rx_bytes_per_s'] > 0 for l in t['links'] if l['up']), t
" "$dir/json" "$ch"
claim $? "top --json: channel, members and links"
"$kecho" top "$(channel missing)" >"$dir/out" 2>"$dir/err"
is "$?:$(<"$dir/out")" 1: "top of a missing channel: exit code 1"
has "$(<"$dir/err")" "^kecho top: there is no channel '$(channel missing)'" "and says why"

claims_of "$here/top.py" "$kecho" "$ch"

kill -TERM "$pub" "$sub"
finish
