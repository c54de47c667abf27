#!/bin/bash
# SPDX-License-Identifier: MIT
# metrics: the text, strictly read, and the server, with clients of all kinds.
here=$(dirname "$0")
. "$here/tap.sh"
kechod=${2:?which kechod?}

ch=$(channel 'me"tr\ics-größe')
start "$dir/got" "$dir/err" env KECHO_NODE='be"ta\' "$kecho" sub --policy block "$ch"
sub=$pid
start /dev/null "$dir/pub.err" env KECHO_NODE=alpha "$kecho" pub \
	--from loadavg --interval 5ms --wait-sinks 1 "$ch"
pub=$pid
until_true lines_in "$dir/got" 3
claim $? "events flow"

"$kecho" metrics >"$dir/text" 2>"$dir/err"
is "$?:$(<"$dir/err")" 0: "metrics, printed"
"$here/openmetrics.py" <"$dir/text" >"$dir/json"
claim $? "it is OpenMetrics"
python3 -c "
import json, sys
f = json.load(open(sys.argv[1]))
def of(name):
    return [s for s in f[name]['samples'] if s['labels'].get('channel') == sys.argv[2]]
source, = of('kecho_source_events')
sink, = of('kecho_sink_events')
assert source['labels']['node_name'] == 'alpha', source
assert sink['labels']['node_name'] == 'be\"ta\\\\' and sink['labels']['policy'] == 'block', sink
assert source['value'] >= 3 and sink['value'] >= 3, (source, sink)
assert f['kecho_source_events']['type'] == 'counter', f
assert f['kecho_source_bytes']['unit'] == 'bytes', f
assert of('kecho_source_bytes')[0]['value'] > source['value'], f
assert of('kecho_sink_lost_events')[0]['value'] == 0
assert of('kecho_sink_lag_bytes')[0]['value'] >= 0
assert {s['labels']['role']: s['value'] for s in of('kecho_channel_members')} == {
    'source': 1, 'sink': 1}
names = {s['labels']['node_name'] for s in f['kecho_link_up']['samples'] if s['value'] == 1}
assert names >= {'alpha', 'be\"ta\\\\'}, names
assert all(0 < s['value'] < 60 for s in f['kecho_link_round_trip_seconds']['samples']), f
assert f['kecho_build']['samples'][0]['labels']['version'], f
" "$dir/json" "$ch"
claim $? "members and links, with their names as they are"

start /dev/null "$dir/serve" "$kecho" metrics --listen :0
serve=$pid
until_true grep -q 'serves http://' "$dir/serve"
claim $? "it says where it serves"
place=$(sed 's|.*http://\(.*\)/metrics|\1|' "$dir/serve")
has "$place" '^127\.0\.0\.1:[0-9]*$' "on loopback, if nothing else is said"
claims_of "$here/metrics.py" "$place"

"$kecho" metrics --listen "$place" >"$dir/out" 2>"$dir/err"
is "$?:$(<"$dir/out")" 1: "the port is taken: exit code 1"
has "$(<"$dir/err")" "cannot listen on $place: Address already in use" "and says so"

metric() { # NAME CHANNEL
	python3 -c "
import sys, urllib.request
text = urllib.request.urlopen(f'http://{sys.argv[1]}/metrics').read().decode()
sys.exit(f'{sys.argv[2]}{{channel=\"{sys.argv[3]}\"' not in text)
" "$place" "$1" "$2"
}
other=$(channel later)
start /dev/null /dev/null "$kecho" sub "$other"
until_true metric kecho_sink_events_total "$other"
claim $? "a channel that comes is seen"
kill -TERM "$pid"
code_of "$pid"
gone() {
	! metric kecho_sink_events_total "$1" 2>/dev/null
}
until_true gone "$other"
claim $? "and goes with its last member"
unlisted() {
	! "$kecho" ls | grep -q "$1"
}
until_true unlisted "$other"
claim $? "nor is it kept alive by being looked at"

kill -TERM "$pub" "$sub"
code_of "$sub"
until_true unlisted "${ch%%\"*}"
claim $? "without a scrape too"
kill -TERM "$serve"
code_of "$serve"
is $? 0 "SIGTERM ends it in good order"
is "$(wc -l <"$dir/serve")" 1 "it had nothing else to say"

# Attached to kechod there is more, and nothing less.
mkdir "$dir/run"
start /dev/null "$dir/kechod.err" "$kechod" -c /dev/null -o "run=$dir/run" \
	-o "socket=$dir/run/sock" -o name=node
node=$pid
export KECHO=daemon KECHO_SOCKET=$dir/run/sock
until_true "$kecho" node status >/dev/null 2>&1
ch=$(channel daemon)
start "$dir/got" "$dir/err" "$kecho" sub "$ch"
sub=$pid
until_true joined "$ch" sink 1
"$kecho" metrics >"$dir/text" 2>"$dir/err"
is "$?:$(<"$dir/err")" 0: "metrics with kechod"
"$here/openmetrics.py" <"$dir/text" >"$dir/json"
claim $? "it is OpenMetrics"
python3 -c "
import json, sys
f = json.load(open(sys.argv[1]))
def one(name):
    return f['kecho_node_' + name]['samples'][0]['value']
sink, = f['kecho_sink_events']['samples']
assert sink['labels']['channel'] == sys.argv[2] and sink['labels']['node_name'] == 'node', sink
assert f['kecho_node']['samples'][0]['labels']['name'] == 'node', f
assert one('processes') >= 2 and one('sinks') == 1 and one('sources') == 0, f
assert 0 < one('user_memory_bytes') <= one('memory_bytes') < one('user_memory_max_bytes'), f
assert 0 <= one('uptime_seconds') < 600, f
" "$dir/json" "$ch"
claim $? "with kechod's processes, members and memory"
kill "$sub" "$node"
code_of "$node"
is $? 0 "kechod ends"
finish
