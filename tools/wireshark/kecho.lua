-- SPDX-License-Identifier: MIT
--
-- Wireshark's and tshark's dissector of kecho: what nodes say to each other and to the
-- registry over TCP, as in docs/protocol.md.
--
--	tshark -X lua_script:kecho.lua -r FILE -Y kecho
--	wireshark -X lua_script:kecho.lua		or put it into the folder of
--							personal Lua plugins
--
-- A connection is known by its first frame, whatever its ports are; where that is not in
-- the capture, by any whole frame at a segment's beginning, or by "Decode As". Every byte
-- of a frame belongs to a field, which is named as in the protocol. What is not as it must
-- be is an expert's item, and never an error of the script.

local HEADER = 24
local BODY_MAX = 67584
local OPTIONAL = 128	-- frames of types from here on are skipped by who doesn't know them
local RECORD = 24	-- the header of a record
local PAD = 1	-- kind of a record
local FRAGMENT, ATTRS, MATCH, TO, LIFE = 1, 2, 4, 8, 16	-- flags of a record

local kecho = Proto("kecho", "kecho")

-- ---------------------------------------------------------------------- fields

local TYPES = {
	[1] = "HELLO", [3] = "PING", [4] = "PONG",
	[16] = "CHANNEL", [17] = "CHANNEL_GONE", [18] = "NODES", [19] = "SYNCED",
	[20] = "MEMBER", [21] = "MEMBER_GONE", [22] = "MEMBER_ACK", [23] = "ATTR",
	[24] = "SHARE", [25] = "STAT", [26] = "STATS", [27] = "MEET",
	[28] = "FILTER", [29] = "JUDGED", [30] = "JUDGED_ACK",
	[32] = "SUBSCRIBE", [33] = "START", [34] = "UNSUBSCRIBE", [35] = "END", [36] = "DATA",
	[37] = "SKIP", [38] = "ACK", [39] = "STALL",
	[40] = "FREEZE", [41] = "FROZEN", [42] = "DRAIN", [43] = "DRAINED", [44] = "DESTROY",
	[45] = "PASS", [46] = "PICKED",
	[48] = "REG_GET", [49] = "REG_PUT", [50] = "REG_DROP", [51] = "REG_RENEW",
	[52] = "REG_LIST", [53] = "REG_ENTRY", [54] = "REG_END",
	[128] = "TYPE", [129] = "ALIVE",
}
local ROLES = { [1] = "source", [2] = "sink" }
local POLICIES = { [0] = "latest", [1] = "block", [2] = "disconnect" }
local CLASSES = { [0] = "normal", [1] = "urgent", [2] = "bulk" }
local FROM = { [0] = "now", [1] = "the log's start", [2] = "what is retained", [3] = "pos" }
local HOW = { [0] = "join or make", [1] = "join", [2] = "make", [3] = "repair" }
local SHARES = { [1] = "gates", [2] = "doorbell", [3] = "log" }
local KINDS = { [1] = "integer", [2] = "string", [3] = "bytes" }
local RECORDS = { [1] = "padding", [2] = "event", [3] = "void" }
local STATUS = {
	[0] = "done", [1] = "no such entry", [2] = "it exists", [3] = "in repair: try again",
	[4] = "just started: try again", [5] = "the name is another channel's", [6] = "full",
	[7] = "a bad name", [8] = "no memory", [9] = "an unknown request",
	[10] = "that channel was destroyed",
}

-- Each is kecho.NAME.
local F = {}

local function field(kind, name, title, base, values)
	F[name] = ProtoField[kind]("kecho." .. name, title, base, values)
end

field("uint32", "length", "Bytes of the body", base.DEC)
field("uint8", "type", "Type", base.DEC, TYPES)
field("bytes", "pad", "Padding of the header")
field("uint32", "pad2", "Padding of the header", base.DEC)
field("uint32", "id", "Id", base.DEC)
field("uint64", "pos", "Position", base.DEC)
field("uint32", "pos_high", "Position, upper half", base.DEC)
field("uint64", "cookie", "Number of the question", base.HEX)
field("uint32", "request", "Number of the request", base.DEC)
field("uint32", "channel", "Index of the channel", base.DEC)
field("uint32", "log", "Log", base.DEC)
field("uint64", "version", "Version", base.DEC)
field("uint32", "oldest", "Oldest version", base.DEC)
field("uint32", "newest", "Newest version", base.DEC)
field("bytes", "node", "Node")
field("uint64", "incarnation", "Incarnation", base.DEC)
field("bytes", "host", "Host")
field("string", "address", "Address")
field("string", "name", "Name")
field("uint16", "authentication", "Authentication", base.DEC)
field("bytes", "credentials", "Credentials")
field("uint32", "known", "Optional frames that it knows", base.HEX)
field("bytes", "uuid", "UUID")
field("uint64", "member", "Member", base.HEX)
field("uint8", "role", "Role", base.DEC, ROLES)
field("uint8", "policy", "Policy", base.DEC, POLICIES)
field("uint8", "class", "Class", base.DEC, CLASSES)
field("uint8", "fresh", "Joined just now", base.DEC)
field("uint64", "log_size", "Size of the log", base.DEC)
field("uint32", "alive", "Milliseconds between signs of life", base.DEC)
field("uint64", "sign", "Moves with each sign of life", base.DEC)
field("bytes", "attributes", "Attributes")
field("uint32", "age", "Milliseconds since it was set", base.DEC)
field("uint64", "attribute_version", "Its version", base.DEC)
field("uint8", "kind", "Kind", base.DEC, KINDS)
field("uint8", "name_length", "Length of the name", base.DEC)
field("uint16", "value_length", "Length of the value", base.DEC)
field("bytes", "value", "Value")
field("int64", "integer", "Integer", base.DEC)
field("string", "string", "String")
field("uint64", "last_event", "Last event", base.DEC)
field("uint64", "before", "Last event before them", base.DEC)
field("uint64", "expired", "Events that had expired", base.DEC)
field("uint64", "clock", "Clock, ns since 1970", base.DEC)
field("uint8", "failed", "Failed", base.DEC)
field("uint64", "events", "Events", base.DEC)
field("uint64", "bytes", "Bytes", base.DEC)
field("uint64", "lost", "Lost events", base.DEC)
field("uint64", "lag", "Bytes of lag", base.DEC)
field("uint32", "lagging", "Sinks that lag", base.DEC)
field("uint64", "position", "Position of its log", base.DEC)
field("uint8", "shared", "What is shared", base.DEC, SHARES)
field("uint64", "doorbell", "Doorbell", base.HEX)
field("uint8", "from", "From", base.DEC, FROM)
field("uint8", "gated", "Gated", base.DEC)
field("uint32", "gate", "Gate", base.DEC)
field("uint64", "taken", "Gates that were taken", base.DEC)
field("uint64", "credit", "May send up to", base.DEC)
field("uint8", "end", "Such sinks are to end", base.DEC)
field("uint8", "how", "How", base.DEC, HOW)
field("uint64", "after", "After serial", base.DEC)
field("uint8", "request_type", "Type of the request", base.DEC, TYPES)
field("uint8", "status", "Status", base.DEC, STATUS)
field("uint8", "contacts", "Contacts", base.DEC)
field("uint8", "more", "There are more", base.DEC)
field("uint16", "entries", "Entries", base.DEC)
field("uint64", "serial", "Serial", base.DEC)
field("uint16", "rivals", "Channels that claim a name", base.DEC)
field("bytes", "rest_of_a_record", "Rest of a record")
field("uint64", "skipped_words", "8-byte words passed over before it", base.DEC)
field("uint64", "passed_events", "Events passed over before it", base.DEC)
field("bytes", "word_0", "Length, kind, flags: which bytes are others, these")
field("bytes", "word_2", "Time: the same")
field("bytes", "word_3", "Fourth word: the same")
field("bytes", "word_4", "Fifth word: the same")
field("bytes", "record_rest", "What follows in it")
field("uint32", "record_length", "Length", base.DEC)
field("uint8", "record_kind", "Kind", base.DEC, RECORDS)
field("uint8", "flags", "Flags", base.HEX)
field("uint8", "data_words", "Words before the payload", base.DEC)
field("uint8", "event_type", "Type of the event", base.DEC)
field("uint64", "type_index", "Index of the type", base.DEC)
field("bytes", "type_of_events", "Type")
field("uint64", "filter_version", "Version of the filter", base.DEC)
field("uint32", "filter_number", "Version of the filter", base.DEC)
field("uint32", "filter_length", "Bytes of the filter", base.DEC)
field("bytes", "filter", "Filter, and the type behind it")
field("uint64", "judged_from", "From this set of filters on", base.DEC)
field("uint8", "bit", "Bit", base.DEC)
field("uint32", "since", "Judged for it since", base.DEC)
field("uint64", "sequence", "Sequence number", base.DEC)
field("uint64", "time", "Submitted, ns since 1970", base.DEC)
field("uint32", "fragment_offset", "Offset of the piece", base.DEC)
field("uint32", "fragment_total", "Bytes of the event", base.DEC)
field("uint16", "attributes_length", "Bytes of attributes", base.DEC)
field("uint64", "match_bits", "Filters that match", base.HEX)
field("uint32", "match_generation", "Set of the filters", base.DEC)
field("bytes", "match_pad", "Padding")
field("uint64", "deadline", "Of no use after, ns since 1970", base.DEC)
field("uint16", "sinks", "Sinks that it is for", base.DEC)
field("bytes", "sinks_pad", "Padding")
field("uint64", "sink", "Sink", base.HEX)
field("bytes", "record_pad", "Padding")
field("bytes", "payload", "Payload")
field("bytes", "padding", "Padding")
field("bytes", "nothing", "Nothing")
field("bytes", "behind", "Behind what is known")
field("bytes", "unknown", "Not dissected")
-- What groups them.
field("none", "contact", "Contact")
field("none", "attribute", "Attribute")
field("none", "mark", "Mark")
field("none", "counters", "Counters")
field("none", "entry", "Entry")
field("none", "record", "Record")

local all = {}
for _, f in pairs(F) do
	all[#all + 1] = f
end
kecho.fields = all

local E = {
	header = ProtoExpert.new("kecho.expert.header", "This is no frame of kecho",
		expert.group.MALFORMED, expert.severity.ERROR),
	short = ProtoExpert.new("kecho.expert.short", "The body ends within a field",
		expert.group.MALFORMED, expert.severity.ERROR),
	behind = ProtoExpert.new("kecho.expert.behind", "The body goes on behind what is known",
		expert.group.PROTOCOL, expert.severity.NOTE),
	optional = ProtoExpert.new("kecho.expert.optional", "An optional frame that is unknown here",
		expert.group.PROTOCOL, expert.severity.NOTE),
	attribute = ProtoExpert.new("kecho.expert.attribute", "This is no attribute",
		expert.group.MALFORMED, expert.severity.ERROR),
	record = ProtoExpert.new("kecho.expert.record", "This is no record",
		expert.group.MALFORMED, expert.severity.ERROR),
	status = ProtoExpert.new("kecho.expert.status", "The registry refuses",
		expert.group.RESPONSE_CODE, expert.severity.CHAT),
}
local experts = {}
for _, e in pairs(E) do
	experts[#experts + 1] = e
end
kecho.experts = experts

-- ---------------------------------------------------------------------- cursor

-- A place in a body. After the first field that does not fit nothing more is read.
local function cursor(tvb, from, to, tree)
	return { tvb = tvb, at = from, to = to, tree = tree, bad = false }
end

local function left(c)
	return c.to - c.at
end

-- The next bytes are not what they should be.
local function fail(c, e)
	if left(c) > 0 then
		c.tree:add(F.unknown, c.tvb(c.at, left(c)))
	end
	c.tree:add_proto_expert_info(e)
	c.at = c.to
	c.bad = true
end

-- The range of the next bytes, or nil.
local function take(c, size)
	if c.bad then
		return nil
	end
	if size > left(c) then
		fail(c, E.short)
		return nil
	end
	c.at = c.at + size
	return c.tvb(c.at - size, size)
end

-- The next number, added; or nil.
local function number(c, name, size)
	local range = take(c, size)

	if not range then
		return nil
	end
	c.tree:add_le(F[name], range)
	return size == 8 and range:le_uint64() or range:le_uint()
end

local function plain(c, name, size)
	if size > 0 then
		local range = take(c, size)

		if range then
			c.tree:add(F[name], range)
		end
	end
end

-- u16 length and so many bytes; gives the tree's item and the range of the bytes.
local function counted(c, name, is_text)
	local size = left(c) >= 2 and c.tvb(c.at, 2):le_uint() or 0
	local range = take(c, 2 + size)

	if not range then
		return nil
	end
	local bytes = size > 0 and range(2, size) or nil
	if is_text then
		return c.tree:add(F[name], range, bytes and bytes:string() or ""), bytes
	end
	return c.tree:add(F[name], range), bytes
end

-- A group of fields: @inner adds them.
local function group(c, name, inner)
	local outer, from = c.tree, c.at
	local item = outer:add(F[name], c.tvb(from, left(c)))

	c.tree = item
	inner(c, item)
	c.tree = outer
	item:set_len(math.max(c.at - from, 0))
end

-- -------------------------------------------------------------------- encodings

local function contact(c)
	group(c, "contact", function()
		plain(c, "node", 16)
		number(c, "incarnation", 8)
		plain(c, "host", 16)
		counted(c, "address", true)
	end)
end

local function attribute(c, item)
	local kind = number(c, "kind", 1)
	local name_length = number(c, "name_length", 1)
	local value_length = number(c, "value_length", 2)

	if not value_length then
		return
	end
	local name = name_length > 0 and take(c, name_length) or nil
	if name then
		c.tree:add(F.name, name, name:string())
		item:append_text(": " .. name:string())
	end
	local value = value_length > 0 and take(c, value_length) or nil
	if value then
		local shown = c.tree:add(F.value, value)
		if kind == 1 and value_length == 8 then
			shown:add_le(F.integer, value)
		elseif kind == 2 then
			shown:add(F.string, value, value:string())
		end
	end
	if not c.bad and (not KINDS[kind] or not name or (kind == 1 and value_length ~= 8)) then
		item:add_proto_expert_info(E.attribute)
	end
end

-- Gives their number.
local function attributes(c)
	local n = 0

	while left(c) > 0 and not c.bad do
		group(c, "attribute", attribute)
		n = n + 1
	end
	return n
end

-- With their ages; gives their number.
local function live(c)
	local item, bytes = counted(c, "attributes", false)
	local n = bytes and attributes(cursor(c.tvb, c.at - bytes:len(), c.at, item)) or 0

	for _ = 1, n do
		number(c, "age", 4)
	end
	return n
end

-- Of a channel they have versions.
local function changed(c)
	local member = number(c, "member", 8)
	local n = live(c)

	if c.tvb(HEADER - 16, 4):le_uint() ~= 0 and member == UInt64(0) then
		for _ = 1, n do
			number(c, "attribute_version", 8)
		end
	end
end

-- ---------------------------------------------------------------------- records

-- Where a record goes on that a DATA frame did not hold whole: by stream and direction,
-- then by the position at which the next frame begins. Nothing is taken away, so frames may
-- be looked at in any order and again.
local rests = {}
local tcp_stream = Field.new("tcp.stream")

function kecho.init()
	rests = {}
end

local function stream_of(pinfo, log)
	local stream = tcp_stream()

	return tostring(stream and stream.value) .. "/" .. pinfo.src_port .. "/" .. log
end

local function padded(size)
	return math.floor((size + 7) / 8) * 8
end

-- Of @length bytes, in so much room that the payload begins at a multiple of 8.
local function record_attributes(c, length, room)
	local range = room > 0 and take(c, math.min(room, left(c)))

	if not range then
		return
	end
	local item = c.tree:add(F.attributes, range)
	if length > room then
		item:add_proto_expert_info(E.record)
	elseif range:len() == room then
		local from = c.at - room
		attributes(cursor(c.tvb, from, from + length, item))
	end
end

-- What is in a record behind its first 8 bytes, as far as it is there.
local function record_body(c, size, kind, flags, data_words)
	local from = c.at - 8

	if kind == PAD then
		plain(c, "nothing", math.min(left(c), math.max(size - 8, 0)))
		return
	end
	local match = from + 8 * data_words - (flags % 8 >= MATCH and 16 or 0) -
		(flags % 16 >= TO and 8 or 0) - (flags % 32 >= LIFE and 8 or 0)
	local sinks = 0

	number(c, "sequence", 8)
	number(c, "time", 8)
	if flags % 2 >= FRAGMENT then
		number(c, "fragment_offset", 4)
		number(c, "fragment_total", 4)
	end
	if flags % 4 >= ATTRS then
		local length = number(c, "attributes_length", 2)
		plain(c, "record_pad", 6)
		record_attributes(c, length or 0, match - c.at)
	end
	if flags % 8 >= MATCH then
		number(c, "match_bits", 8)
		number(c, "match_generation", 4)
		plain(c, "match_pad", 4)
	end
	if flags % 16 >= TO then
		sinks = number(c, "sinks", 2) or 0
		plain(c, "sinks_pad", 6)
	end
	if flags % 32 >= LIFE then
		number(c, "deadline", 8)
	end
	for _ = 1, math.min(sinks, math.floor(left(c) / 8)) do
		number(c, "sink", 8)
	end
	if not c.bad then
		plain(c, "payload", math.min(left(c), math.max(from + size - c.at, 0)))
		plain(c, "padding", math.min(left(c), padded(size) - size))
	end
end

-- Returns how many bytes of it are missing, or nil if it is none.
local function record(c, item)
	local from = c.at
	local size = number(c, "record_length", 4)
	local kind = number(c, "record_kind", 1)
	local flags = number(c, "flags", 1)
	local data_words = number(c, "data_words", 1)

	number(c, "event_type", 1)
	if c.bad then
		return nil
	end
	local least = kind == PAD and 8 or RECORD
	if not RECORDS[kind] or size < least or (kind ~= PAD and data_words * 8 > size) then
		fail(c, E.record)
		return nil
	end
	item:append_text(": " .. RECORDS[kind])
	local missing = padded(size) - (c.to - from)
	-- A header that is split is shown as far as it goes.
	if missing > 0 and left(c) + 8 < math.min(size, math.max(data_words * 8, RECORD)) then
		plain(c, "unknown", left(c))
	else
		local whole = c.to
		c.to = math.min(c.to, from + padded(size))
		record_body(c, size, kind, flags, data_words)
		c.to = whole
	end
	return math.max(missing, 0)
end

local function records(c, pinfo, frame)
	local key = stream_of(pinfo, frame.id)
	local of = rests[key] or {}
	local rest = math.min(of[tostring(frame.pos)] or 0, left(c))
	local missing = (of[tostring(frame.pos)] or 0) - rest
	local n, size = 0, left(c)

	rests[key] = of
	plain(c, "rest_of_a_record", rest)
	while left(c) > 0 and not c.bad do
		group(c, "record", function(_, item)
			missing = record(c, item) or 0
		end)
		n = n + 1
	end
	if missing > 0 and not c.bad then
		of[tostring(frame.pos + size)] = missing
	end
	return n .. (n == 1 and " record" or " records")
end

-- ------------------------------------------------------------------------- picks

local PICK_WORDS = 5

-- 7 bits in each byte; gives it, or nil.
local function short_number(c, name)
	local v, from, scale = 0, c.at, 1

	repeat
		local range = take(c, 1)
		if not range or c.at - from > 10 then
			return nil
		end
		v = v + range:uint() % 128 * scale
		scale = scale * 128
	until range:uint() < 128
	c.tree:add(F[name], c.tvb(from, c.at - from), UInt64(v % 2 ^ 32, math.floor(v / 2 ^ 32)))
	return v
end

-- The bytes that are others than in @head, whose word number @at they change.
local function word(c, head, at)
	local mask, n = left(c) > 0 and c.tvb(c.at, 1):uint() or 0, 1

	for i = 0, 7 do
		if math.floor(mask / 2 ^ i) % 2 == 1 then
			if n < left(c) then
				head[8 * at + i] = c.tvb(c.at + n, 1):uint()
			end
			n = n + 1
		end
	end
	plain(c, "word_" .. at, n)
end

-- One record; @head has the first words of the one before.
local function pick(c, head)
	local gap = short_number(c, "skipped_words")

	if gap and gap > 0 then
		short_number(c, "passed_events")
	end
	word(c, head, 0)
	local size = head[0] + 256 * (head[1] + 256 * (head[2] + 256 * head[3]))
	local words = math.min(padded(size) / 8, PICK_WORDS)
	for i = 2, words - 1 do
		word(c, head, i)
	end
	plain(c, "record_rest", math.max(size - 8 * words, 0))
	if not c.bad and size < RECORD then
		fail(c, E.record)
	end
end

local function picks(c)
	local head, n = {}, 0

	for i = 0, 8 * PICK_WORDS - 1 do
		head[i] = 0
	end
	while left(c) > 0 and not c.bad do
		group(c, "record", function()
			pick(c, head)
		end)
		n = n + 1
	end
	return n .. (n == 1 and " record" or " records")
end

-- ----------------------------------------------------------------------- frames

-- A row of a frame: a number of so many bytes, or a function that reads what it wants.
local function U(name, size)
	return function(c)
		return number(c, name, size)
	end
end

local function B(name, size)
	return function(c)
		plain(c, name, size)
	end
end

local function S(name)
	return function(c)
		counted(c, name, true)
	end
end

local function C(name)
	return function(c)
		counted(c, name, false)
	end
end

-- To the end of the body, again and again.
local function each(name, rows)
	return function(c)
		while left(c) > 0 and not c.bad do
			group(c, name, function()
				for _, row in ipairs(rows) do
					row(c)
				end
			end)
		end
	end
end

-- A field at the end that older nodes don't send.
local function maybe(row)
	return function(c)
		if left(c) > 0 then
			row(c)
		end
	end
end

local function nodes(c)
	while left(c) > 0 and not c.bad do
		contact(c)
	end
end

local function rest(name)
	return function(c)
		plain(c, name, left(c))
	end
end

local function ids(c)
	while left(c) > 0 and not c.bad do
		plain(c, "node", 16)
	end
end

local function share(c)
	local what = number(c, "shared", 1)

	if what == 2 then
		number(c, "doorbell", 8)
	elseif what == 3 then
		number(c, "log", 4)
	end
end

local function list(c)
	number(c, "more", 1)
	for _ = 1, number(c, "entries", 2) or 0 do
		if c.bad then
			return
		end
		group(c, "entry", function()
			number(c, "serial", 8)
			counted(c, "name", true)
			plain(c, "uuid", 16)
			number(c, "contacts", 1)
		end)
	end
	if left(c) == 0 then
		return
	end
	for _ = 1, number(c, "rivals", 2) or 0 do
		if c.bad then
			return
		end
		group(c, "entry", function()
			counted(c, "name", true)
			plain(c, "uuid", 16)
		end)
	end
end

local function entry(c)
	local what = number(c, "request_type", 1)
	local status = number(c, "status", 1)

	if status and status ~= 0 then
		c.tree:add_proto_expert_info(E.status, STATUS[status] or "status " .. status)
	end
	if c.bad or left(c) == 0 then
		return STATUS[status]
	end
	if what == 52 then
		list(c)
	elseif what == 48 or (what == 49 and c.tvb(HEADER - 16, 4):le_uint() ~= 0) then
		plain(c, "uuid", 16)
		number(c, "version", 8)
		for _ = 1, number(c, "contacts", 1) or 0 do
			if c.bad then
				return
			end
			contact(c)
		end
	elseif what == 49 then	-- unasked: another node has made a repair
		counted(c, "name", true)
		plain(c, "uuid", 16)
		contact(c)
	end
	return STATUS[status]
end

local CHANNEL, LOG, REQUEST, ID = U("channel", 4), U("log", 4), U("request", 4), U("id", 4)
local MEMBER, POS, COOKIE = U("member", 8), U("pos", 8), U("cookie", 8)
local MARKS = each("mark", { MEMBER, U("position", 8) })

-- The header's id and pos, then the body.
local FRAMES = {
	[1] = { ID, POS, { U("oldest", 4), U("newest", 4), contact, S("name"),
		U("authentication", 2), C("credentials"), maybe(U("known", 4)) } },
	[3] = { ID, COOKIE, {} },
	[4] = { ID, COOKIE, { U("clock", 8) } },
	[16] = { CHANNEL, POS, { B("uuid", 16), S("name") } },
	[17] = { CHANNEL, function(c)
		number(c, "channel", 4)
		number(c, "pos_high", 4)
	end, {} },
	[18] = { CHANNEL, POS, { nodes } },
	[19] = { CHANNEL, POS, {} },
	[20] = { CHANNEL, POS, { MEMBER, U("role", 1), U("policy", 1), U("fresh", 1), U("log", 4),
		U("log_size", 8), live, maybe(U("class", 1)), maybe(U("alive", 4)) } },
	[21] = { CHANNEL, POS, { MEMBER, U("last_event", 8), maybe(U("failed", 1)) } },
	[22] = { CHANNEL, POS, { MEMBER } },
	[23] = { CHANNEL, POS, { changed } },
	[24] = { CHANNEL, POS, { share } },
	[25] = { CHANNEL, COOKIE, {} },
	[26] = { CHANNEL, POS, { COOKIE, each("counters", { MEMBER, U("role", 1), U("policy", 1),
		U("events", 8), U("bytes", 8), U("lost", 8), U("expired", 8), U("lag", 8) }) } },
	[27] = { CHANNEL, POS, { ids } },
	[28] = { CHANNEL, U("filter_version", 8), { MEMBER, U("filter_length", 4), rest("filter") } },
	[29] = { LOG, U("judged_from", 8), { MEMBER, U("filter_number", 4), U("bit", 1),
		U("since", 4) } },
	[30] = { LOG, U("filter_version", 8), { MEMBER } },
	[32] = { LOG, POS, { U("from", 1), U("gated", 1), U("gate", 4), U("last_event", 8) } },
	[33] = { LOG, POS, { U("last_event", 8), U("taken", 8) } },
	[34] = { LOG, POS, {} },
	[35] = { LOG, POS, { U("last_event", 8), maybe(U("failed", 1)) } },
	[36] = { LOG, POS, { records } },
	[37] = { LOG, POS, {} },
	[38] = { LOG, POS, { U("credit", 8), U("lost", 8) } },
	[39] = { LOG, POS, { U("end", 1) } },
	[45] = { LOG, POS, { U("last_event", 8), U("before", 8), U("expired", 8) } },
	[46] = { LOG, POS, { U("before", 8), picks } },
	[40] = { CHANNEL, COOKIE, {} },
	[41] = { CHANNEL, COOKIE, {} },
	[42] = { CHANNEL, COOKIE, { MARKS } },
	[43] = { CHANNEL, COOKIE, { U("lagging", 4), MARKS } },
	[44] = { CHANNEL, POS, {} },
	[48] = { REQUEST, POS, { S("name") } },
	[49] = { REQUEST, POS, { U("how", 1), S("name"), B("uuid", 16), contact } },
	[50] = { REQUEST, POS, { S("name"), B("node", 16) } },
	[51] = { REQUEST, POS, {} },
	[52] = { REQUEST, POS, { U("after", 8) } },
	[53] = { REQUEST, POS, { entry } },
	[54] = { REQUEST, POS, { S("name"), B("uuid", 16) } },
	[128] = { CHANNEL, U("type_index", 8), { MEMBER, rest("type_of_events") } },
	[129] = { LOG, U("sign", 8), {} },
}

-- Whether a frame's header may be what is at @at, of which 24 bytes are there.
local function is_header(tvb, at)
	local type = tvb(at + 4, 1):uint()

	return tvb(at, 4):le_uint() <= BODY_MAX and tvb(at + 5, 3):uint() == 0 and
		tvb(at + 12, 4):uint() == 0 and (TYPES[type] ~= nil or type >= OPTIONAL)
end

local function dissect_frame(tvb, pinfo, root)
	local type, id = tvb(4, 1):uint(), tvb(8, 4):le_uint()
	local frame = { id = id, pos = tvb(16, 8):le_uint64() }
	local def = FRAMES[type]
	local name = TYPES[type] or "optional " .. type
	local tree = root:add(kecho, tvb(), "kecho, " .. name)
	local c = cursor(tvb, 0, tvb:len(), tree)
	local said

	number(c, "length", 4)
	number(c, "type", 1)
	plain(c, "pad", 3)
	local first, last = ID, POS
	if def then
		first, last = def[1], def[2]
	end
	first(c)
	number(c, "pad2", 4)
	last(c)
	if not def then
		plain(c, "unknown", left(c))
		tree:add_proto_expert_info(E.optional)
		return name
	end
	for _, row in ipairs(def[3]) do
		said = row(c, pinfo, frame)
	end
	if left(c) > 0 and not c.bad then
		plain(c, "behind", left(c))
		tree:add_proto_expert_info(E.behind)
	end
	if type == 36 or type == 53 then
		tree:append_text(", " .. tostring(said))
		name = name .. " (" .. tostring(said) .. ")"
	end
	return name
end

-- What follows can't be divided into frames any more.
local function dissect_rubbish(tvb, root)
	local tree = root:add(kecho, tvb(), "kecho")

	tree:add(F.unknown, tvb())
	tree:add_proto_expert_info(E.header)
	return "no frame"
end

function kecho.dissector(tvb, pinfo, root)
	local at, said = 0, {}

	pinfo.cols.protocol = "kecho"
	while at < tvb:len() do
		local there = tvb:len() - at
		local size = there >= HEADER and HEADER + tvb(at, 4):le_uint() or 0

		if there >= HEADER and not is_header(tvb, at) then
			said[#said + 1] = dissect_rubbish(tvb(at):tvb(), root)
			break
		end
		if there < HEADER or there < size then
			pinfo.desegment_offset = at
			pinfo.desegment_len = there < HEADER and DESEGMENT_ONE_MORE_SEGMENT or
				size - there
			break
		end
		said[#said + 1] = dissect_frame(tvb(at, size):tvb(), pinfo, root)
		at = at + size
	end
	if #said > 0 then
		pinfo.cols.info = table.concat(said, ", ")
	end
	return tvb:len()
end

-- ------------------------------------------------------------------ whose it is

-- The first frame of a connection is in its first segment, whole or in part.
local function is_first(tvb)
	local type = tvb(4, 1):uint()

	return type == 1 or (type >= 48 and type <= 54)
end

local function heuristic(tvb, pinfo, root)
	if tvb:len() < HEADER or not is_header(tvb, 0) then
		return false
	end
	if not is_first(tvb) and HEADER + tvb(0, 4):le_uint() > tvb:len() then
		return false
	end
	pinfo.conversation = kecho
	kecho.dissector(tvb, pinfo, root)
	return true
end

kecho:register_heuristic("tcp", heuristic)
DissectorTable.get("tcp.port"):add_for_decode_as(kecho)
