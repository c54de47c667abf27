#!/bin/bash
# SPDX-License-Identifier: MIT
# JSON of sub: valid whatever the bytes are, and complete.
. "$(dirname "$0")/tap.sh"

ch=$(channel json)
start "$dir/got" "$dir/err" "$kecho" sub --json --policy block --members --attrs kind,n \
	--source-attrs zone,serial,node.name --until-end --timeout 10s "$ch"
sub=$pid
{
	printf 'plain\n'
	printf 'quote " backslash \\ tab \t bell \a\n'
	printf 'gr\xc3\xbc\xc3\x9fe \xe2\x82\xac \xf0\x9f\x90\x99\n'
	printf 'overlong \xc0\xaf\n'
	printf 'surrogate \xed\xa0\x80\n'
	printf '\xff\xfe\x00\x01\n'
	printf '\n'
} >"$dir/in"
# What members do is told by a thread of its own: the source stays until it was.
{
	cat "$dir/in"
	until_true grep -q '"role":"source"' "$dir/got"
} | KECHO_NODE=here "$kecho" pub --wait-sinks 1 --attr zone='l"ab' --attr serial=007 \
	--event-attr kind=test --event-attr n=-5 "$ch"
is $? 0 "pub"
code_of "$sub"
is $? 0 "sub"
json_valid "$dir/got"
claim $? "each line is JSON"

python3 - "$dir/got" "$dir/in" >"$dir/report" <<'END'
import base64, json, sys

items = [json.loads(line) for line in open(sys.argv[1], encoding='utf-8')]
events = [i for i in items if i['event'] == 'event']
wanted = open(sys.argv[2], 'rb').read().split(b'\n')[:-1]

def payload(e):
    if 'payload' in e:
        return e['payload'].encode()
    return base64.b64decode(e['payload_base64'], validate=True)

def say(ok, what):
    print(0 if ok else 1, what)

say([payload(e) for e in events] == wanted, 'payloads come back byte for byte')
say(['payload' in e for e in events] == [True] * 3 + [False] * 3 + [True],
    'base64 only for what is not UTF-8')
say([e['seq'] for e in events] == list(range(1, 8)), 'sequence numbers from 1')
say(all(e['size'] == len(payload(e)) for e in events), 'sizes')
say(all(e['attributes'] == {'kind': 'test', 'n': -5} for e in events), 'attributes of events')
say(all(e['source_attributes'] == {'zone': 'l"ab', 'serial': '007', 'node.name': 'here'}
        for e in events), 'attributes of the source and its node')
say(all(0 <= e['latency_us'] < 60e6 for e in events), 'latencies')
say(len({e['source'] for e in events}) == 1 and len(events[0]['source']) == 16, 'one source')
ends = [i for i in items if i['event'] == 'ended']
say([(e['source'], e['last_seq'], e['failed']) for e in ends]
    == [(events[0]['source'], 7, False)], 'the end of the source')
say(any(i['event'] == 'joined' and i['role'] == 'source' and i['member'] == events[0]['source']
        for i in items), 'the join of the source')
END
while read -r status what; do
	claim "$status" "$what"
done <"$dir/report"

ch=$(channel hex)
start "$dir/got" "$dir/err" "$kecho" sub --hex --count 1 --timeout 10s "$ch"
printf 'ABCDEFGHIJKLMNOPQ\x01' | "$kecho" pub --whole --wait-sinks 1 "$ch"
code_of "$pid"
is $? 0 "--hex"
has "$(<"$dir/got")" '^[0-9a-f]\{16\} 1 .*, 18 bytes$' "--hex: a line about the event"
has "$(<"$dir/got")" '^00000000  41 42 .* 48  49 .* 50  |ABCDEFGHIJKLMNOP|$' "--hex: a full row"
has "$(<"$dir/got")" '^00000010  51 01  *|Q\.|$' "--hex: a short row"

ch=$(channel text)
start "$dir/got" "$dir/err" "$kecho" sub --attrs a,missing --count 1 --timeout 10s "$ch"
echo payload | "$kecho" pub --event-attr a=5 --wait-sinks 1 "$ch"
code_of "$pid"
is "$(<"$dir/got")" "a=5 payload" "attributes before text"
finish
