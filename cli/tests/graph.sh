#!/bin/bash
# SPDX-License-Identifier: MIT
# graph: names of all kinds come out of the DOT as they went in; SVG by graphviz's dot.
here=$(dirname "$0")
. "$here/tap.sh"

ch=$(channel 'gr"a\ph-größe&lt;')
bad=$(channel bytes)$'\xff"'
start "$dir/got" "$dir/err" env KECHO_NODE='be"ta\' "$kecho" sub --policy block "$ch"
sub=$pid
start "$dir/bad" "$dir/err" "$kecho" sub "$bad"
start /dev/null "$dir/pub.err" env KECHO_NODE=$'al\npha' "$kecho" pub \
	--from loadavg --interval 5ms --wait-sinks 1 "$ch"
pub=$pid
until_true lines_in "$dir/got" 3
claim $? "events flow"
until_true joined "$bad" sink 1
claim $? "a channel whose name is no UTF-8"

"$kecho" graph "$ch" >"$dir/dot" 2>"$dir/err"
is $? 0 "graph"
is "$(<"$dir/err")" "" "graph: no complaints"
"$here/graph.py" "$dir/dot" >"$dir/json"
claim $? "graph: it is DOT"
python3 -c "
import json, re, sys
g = json.load(open(sys.argv[1]))
c, = [id for id, n in g['nodes'].items() if n['label'] == sys.argv[2]]
into, = [e for e in g['edges'] if e['to'] == c]
out, = [e for e in g['edges'] if e['from'] == c]
# 200, but that a busy machine makes it fewer, or others catch up.
for e in (into, out):
    assert 0 < float(re.fullmatch(r'([\d.]+)/s', e['label']).group(1)) < 1000, e
place = {m: k['label'] for k in g['clusters'].values() for m in k['members']}
assert place[into['from']] == 'al?pha\nthis host', place
assert place[out['to']] == 'be\"ta\\\\\nthis host', place
assert g['nodes'][into['from']]['label'] == 'source'
assert g['nodes'][out['to']]['label'].startswith('sink\nblock'), g
dashed = [e for e in g['edges'] if e.get('style') == 'dashed']
assert {place[e['to']] for e in dashed} == set(place.values()), dashed
assert all(re.fullmatch(r'[\d.]+ (ns|us|ms)', e['label']) for e in dashed), dashed
" "$dir/json" "$ch"
claim $? "graph: members, their nodes, rates and links"

"$kecho" graph --interval 0 >"$dir/dot"
is $? 0 "graph of all channels, without rates"
"$here/graph.py" "$dir/dot" >"$dir/json"
claim $? "it is DOT"
python3 -c "
import json, sys
g = json.load(open(sys.argv[1]))
labels = [n['label'] for n in g['nodes'].values()]
assert sys.argv[2] in labels and sys.argv[3] + '\ufffd\"' in labels, labels
" "$dir/json" "$ch" "$(channel bytes)"
claim $? "both channels are in it"

"$kecho" graph "$(channel missing)" >"$dir/out" 2>"$dir/err"
is "$?:$(<"$dir/out")" 1: "graph of a missing channel: exit code 1, no graph"
has "$(<"$dir/err")" "^kecho graph: there is no channel '$(channel missing)'" "and says why"

mkdir "$dir/bin"
PATH="$dir/bin" "$kecho" graph --svg --interval 0 "$ch" >"$dir/out" 2>"$dir/err"
is "$?:$(<"$dir/out")" 1: "--svg without graphviz: exit code 1"
has "$(<"$dir/err")" "no program 'dot': it is in the package graphviz" "and says what is missing"
cat >"$dir/bin/dot" <<'EOT'
#!/bin/bash
echo "args $*"
exec cat
EOT
chmod +x "$dir/bin/dot"
PATH="$dir/bin:$PATH" "$kecho" graph --svg --interval 0 "$ch" >"$dir/out" 2>"$dir/err"
is "$?:$(<"$dir/err")" 0: "--svg: what dot makes is printed"
is "$(sed q "$dir/out")" "args -Tsvg" "dot is to make SVG"
sed 1d "$dir/out" >"$dir/dot"
"$here/graph.py" "$dir/dot" >/dev/null
claim $? "dot gets the whole graph"
printf '#!/bin/bash\nexec 0<&-\nexit 7\n' >"$dir/bin/dot"
PATH="$dir/bin:$PATH" "$kecho" graph --svg --interval 0 "$ch" >"$dir/out" 2>"$dir/err"
is $? 1 "--svg: dot fails: exit code 1"
has "$(<"$dir/err")" 'dot failed with exit code 7' "and says so"

kill -TERM "$pub" "$sub" "$pid"
finish
