#!/bin/bash
# SPDX-License-Identifier: MIT
# ls, stat, ping and perf: what they print, in text and JSON.
. "$(dirname "$0")/tap.sh"

ch=$(channel look)
start "$dir/got" "$dir/err" env KECHO_NODE=beta "$kecho" sub --policy block "$ch"
sub=$pid
start /dev/null "$dir/pub.err" env KECHO_NODE=alpha "$kecho" pub --attr zone=lab \
	--from loadavg --interval 5ms --wait-sinks 1 "$ch"
pub=$pid
until_true joined "$ch" source 1
until_true lines_in "$dir/got" 3
claim $? "events flow"

out=$("$kecho" ls)
has "$out" '^CHANNEL  *CONTACTS  *UUID$' "ls: a head"
has "$out" "^$ch  *[1-9][0-9]*  [0-9a-f-]\{36\}$" "ls: the channel"
"$kecho" ls --json >"$dir/ls"
python3 -c "
import json, sys
c, = [c for c in json.load(open(sys.argv[1])) if c['channel'] == sys.argv[2]]
assert len(c['uuid']) == 36 and c['contacts'] >= 1
" "$dir/ls" "$ch"
claim $? "ls --json: the channel"

out=$("$kecho" ls --attrs zone "$ch")
has "$out" '^[0-9a-f]\{16\} source -  *local  alpha zone=lab$' "ls CHANNEL: the source"
has "$out" '^[0-9a-f]\{16\} sink   block  *local  beta$' "ls CHANNEL: the sink"
has "$("$kecho" ls --attrs zone.age,none.age "$ch")" 'alpha zone\.age=[0-9.]* [a-z]*$' \
	"ls CHANNEL: an age"
"$kecho" ls --json --attrs zone,none,zone.age "$ch" >"$dir/ls"
python3 -c "
import json, sys
source, sink = sorted(json.load(open(sys.argv[1])), key=lambda m: m['role'], reverse=True)
assert source['role'] == 'source' and source['attributes']['zone'] == 'lab', source
assert 0 <= source['attributes']['zone.age'] < 60e9, source
assert source['node_name'] == 'alpha' and 'policy' not in source, source
assert source['class'] == 'normal' and 'class' not in sink, source
assert sink['policy'] == 'block' and sink['node_name'] == 'beta', sink
assert sink['state'] == 'joined' and sink['attributes'] == {}, sink
assert sink['node'] != source['node']
" "$dir/ls"
claim $? "ls --json CHANNEL"
"$kecho" ls "$(channel missing)" 2>"$dir/missing"
is $? 1 "ls of a missing channel: exit code 1"
has "$(<"$dir/missing")" "^kecho ls: cannot open channel '$(channel missing)': ." "and says why"

for class in urgent bulk; do
	start /dev/null "$dir/class.err" "$kecho" pub --class $class --from loadavg \
		"$(channel class)"
	until_true joined "$(channel class)" source 1
	has "$("$kecho" ls "$(channel class)")" "^[0-9a-f]\{16\} source $class  *local  " \
		"ls CHANNEL: a class"
	kill -TERM "$pid"
	code_of "$pid"
done

start "$dir/watch" "$dir/watch.err" "$kecho" ls --watch --json "$ch"
watch=$pid
until_true lines_in "$dir/watch" 2
start /dev/null /dev/null "$kecho" sub "$ch"
until_true grep -q '"joined".*"policy":"latest"' "$dir/watch"
claim $? "ls --watch: a join"
kill -KILL "$pid"
until_true grep -q '"event":"failed".*"policy":"latest"' "$dir/watch"
claim $? "ls --watch: a failure"
kill -TERM "$watch"
code_of "$watch"
is $? 0 "ls --watch: ends with 0"
json_valid "$dir/watch"
claim $? "ls --watch: JSON"

start "$dir/watch" "$dir/watch.err" "$kecho" ls --watch --interval 50ms
watch=$pid
until_true grep -q " new  *$ch$" "$dir/watch"
claim $? "ls --watch: channels that are there"
start /dev/null /dev/null "$kecho" sub "$(channel later)"
until_true grep -q " new  *$(channel later)$" "$dir/watch"
claim $? "ls --watch: a channel that comes"
kill -TERM "$watch" "$pid"
code_of "$watch"
is $? 0 "ls --watch: ends with 0"

out=$("$kecho" stat --interval 300ms "$ch")
is $? 0 "stat"
has "$out" "^channel $ch$" "stat: the channel"
has "$out" '^  [0-9a-f]\{16\} source .*  alpha$' "stat: the source"
has "$out" '^  [0-9a-f]\{16\} sink   block .*  beta$' "stat: the sink"
"$kecho" stat --interval 300ms --count 2 --json "$ch" >"$dir/stat"
json_valid "$dir/stat"
claim $? "stat --json: one object per report"
python3 -c "
import json, sys
reports = [json.loads(line) for line in open(sys.argv[1])]
assert len(reports) == 2
was = 0
for r in reports:
    c, = r['channels']
    source, sink = sorted(c['members'], key=lambda m: m['role'], reverse=True)
    assert source['events'] > was and sink['events'] > was, r
    assert sink['lost'] == 0 and 'lost' not in source, r
    # 200, but that a busy machine makes it fewer, or others catch up.
    assert 0 < source['events_per_s'] < 1000, r
    assert source['bytes_per_s'] > 10 * source['events_per_s'], r
    assert {l['name'] for l in r['links']} >= {'alpha', 'beta'}, r
    assert all(l['up'] and l['rtt_us'] > 0 for l in r['links']), r
    was = min(source['events'], sink['events'])
" "$dir/stat"
claim $? "stat --json: counters grow, rates and links are there"
has "$("$kecho" stat --interval 0)" "^channel $ch$" "stat of all channels has ours"

out=$("$kecho" ping --count 3 --interval 10ms "$ch")
is $? 0 "ping"
has "$out" '^alpha (.*): seq=3 time=' "ping: three trips"
has "$out" '^alpha (.*): 3 sent, 3 answered, min/avg/p99/max = ' "ping: a summary"
has "$out" '^beta (.*): 3 sent, 3 answered' "ping: every node"
"$kecho" ping --count 3 --interval 10ms --json "$ch" >"$dir/ping"
json_valid "$dir/ping"
claim $? "ping --json"
python3 -c "
import json, sys
items = [json.loads(line) for line in open(sys.argv[1])]
for s in [i for i in items if i['event'] == 'summary']:
    trips = [i['rtt_us'] for i in items if i['event'] == 'pong' and i['node'] == s['node']]
    assert s['sent'] == s['answered'] == len(trips) == 3, s
    assert s['min_us'] == min(trips) and s['max_us'] == max(trips) == s['p99_us'], s
    assert abs(s['avg_us'] - sum(trips) / 3) < .01, s
assert {i['name'] for i in items} >= {'alpha', 'beta'}
" "$dir/ping"
claim $? "ping --json: summaries agree with the trips"
start "$dir/trips" /dev/null "$kecho" ping --interval 10ms "$ch"
until_true lines_in "$dir/trips" 4
kill -INT "$pid"
code_of "$pid"
is $? 0 "ping: SIGINT ends it with a summary"
has "$(tail -n 1 "$dir/trips")" ' sent, .* answered' "ping: the summary is last"

kill -TERM "$pub" "$sub"
code_of "$pub"
is $? 0 "the source leaves"
code_of "$sub"
is $? 0 "the sink leaves"

"$kecho" perf --duration 50ms --sizes 100,1K,64K --sinks 2 --json >"$dir/perf" 2>"$dir/err"
is $? 0 "perf"
is "$(<"$dir/err")" "" "perf: no complaints"
json_valid "$dir/perf"
claim $? "perf --json"
python3 -c "
import json, sys
runs = [json.loads(line) for line in open(sys.argv[1])]
assert sorted((r['size'], r['run'], r['sink']) for r in runs) == sorted(
    (size, run, sink) for size in (100, 1024, 65536) for run in ('latency', 'throughput')
    for sink in (1, 2)), runs
for r in runs:
    assert r['lost'] == 0 and r['events'] > 0, r
    if r['run'] == 'latency':
        assert 0 < r['min_us'] <= r['p50_us'] <= r['p99_us'] <= r['max_us'] < 1e6, r
    else:
        assert r['bytes_per_s'] > 1e5, r
" "$dir/perf"
claim $? "perf: each size, run and sink once, nothing lost"
"$kecho" perf --duration 10ms --sizes 100 --json >"$dir/perf" 2>"$dir/err"
python3 -c "
import json, sys
r = json.loads(open(sys.argv[1]).readline())
assert r['run'] == 'latency' and ('p50_us' not in r or r['p50_us'] > 0), r
assert (r['events'] > 0) == ('p50_us' in r), r
" "$dir/perf"
claim $? "perf: a short run has measured all its events"
has "$("$kecho" perf --duration 20ms --sizes 100)" '^throughput  *100 B  sink 1: .* events/s, ' \
	"perf: text"

ch=$(channel perf)
start "$dir/perf" "$dir/err" "$kecho" perf sub "$ch"
"$kecho" perf pub --duration 20ms --sizes 200 "$ch"
is $? 0 "perf pub"
code_of "$pid"
is $? 0 "perf sub"
has "$(<"$dir/perf")" '^latency  *200 B  sink 1: min .* p50 ' "perf sub prints"
finish
