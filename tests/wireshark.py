#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""wireshark.py DISSECTOR RECORDING: tshark with the dissector, in TAP.

The recorded session of the protocol, as TCP: each byte of each frame is in the field that
the recording names, however the stream is cut into segments. Frames that it has not, and
garbage: expert items, never an error of the script.
"""
import random
import re
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

LINKTYPE_IPV4 = 228
SEGMENT_MAX = 60000
HEADER = 24             # of a frame: so much is in the first segment, by which it is known
GARBAGE = 300           # connections of damaged frames
SEED = 4711

# Fields of a recording that the dissector names otherwise.
RENAMED = {("DRAINED", "lag", 4): "lagging", ("DATA", "pad", 6): "record_pad"}
# Groups of fields, which have no bytes of their own, and what is shown twice.
GROUPS = {"contact", "attribute", "mark", "counters", "entry", "record", "integer", "string"}

results = 0
failed = False


def result(good, name, *notes):
    global results, failed
    results += 1
    if not good:
        failed = True
        for note in notes:
            print("#", str(note)[:400])
    print("ok" if good else "not ok", results, "-", name)


# ------------------------------------------------------------------ what is said

class Frame:
    def __init__(self, name, fields):
        self.name, self.fields = name, fields   # (name, bytes)

    @property
    def bytes(self):
        return b"".join(data for _, data in self.fields)


def parse_bytes(text):
    if text == "-":
        return b""
    found = b""
    for part in text.split("+"):
        times, star, digits = part.rpartition("*")
        found += bytes.fromhex(digits) * (int(times) if star else 1)
    return found


def read_recording(path):
    """Connections: each a list of (from, to, frame)."""
    connections, open_now, frame = [], {}, None
    for line in open(path):
        line = line.rstrip("\n")
        if line.startswith("=="):
            open_now = {}
        elif match := re.match(r"([A-Z])>([A-Z]) (\w+)$", line):
            one, other, name = match.groups()
            frame = Frame(name, [])
            key = frozenset((one, other))
            said = open_now.get(key, [])
            # A node says hello once: again, it is another connection.
            again = name == "HELLO" and any(f.name == name and a == one for a, _, f in said)
            if not said or again:
                said = open_now[key] = []
                connections.append(said)
            said.append((one, other, frame))
        elif line.startswith("\t"):
            digits, name = line.split()[:2]
            frame.fields.append((name, parse_bytes(digits)))
    return connections


def make(name, number, fields, id_name="channel", pos_name="pos"):
    body = b"".join(b for _, b in fields)
    return Frame(name, [
        ("length", struct.pack("<I", len(body))), ("type", bytes([number])),
        ("pad", bytes(3)), (id_name, struct.pack("<I", 7)), ("pad2", bytes(4)),
        (pos_name, struct.pack("<Q", 0))] + fields)


def u64(v):
    return struct.pack("<Q", v)


def other_frames():
    """What no session between two hosts of this version has."""
    contact = [("node", bytes(range(16))), ("incarnation", u64(5)), ("host", bytes(16)),
               ("address", b"\x03\x00a:1")]
    live = [("attributes", b"\x0d\x00\x01\x01\x08\x00n" + struct.pack("<q", -5)),
            ("age", struct.pack("<I", 70))]
    # A record whose header is split between two frames.
    head = [("record_length", struct.pack("<I", 26)), ("record_kind", b"\x02"),
            ("flags", b"\x00"), ("data_words", b"\x03"), ("event_type", b"\x00")]
    rest = u64(1) + u64(0) + b"hi" + bytes(6)
    second = make("DATA", 36, [("rest_of_a_record", rest)], "log")
    second.fields[5] = ("pos", u64(8))
    frames = [
        make("SHARE", 24, [("shared", b"\x01")]),
        make("SHARE", 24, [("shared", b"\x02"), ("doorbell", u64(0x1234))]),
        make("SHARE", 24, [("shared", b"\x03"), ("log", struct.pack("<I", 3))]),
        make("MEMBER_GONE", 21, [("member", u64(9)), ("last_event", u64(8)),
                                 ("failed", b"\x01")]),
        make("END", 35, [("last_event", u64(8)), ("failed", b"\x01")], "log"),
        make("ATTR", 23, [("member", u64(9))] + live),
        make("ATTR", 23, [("member", bytes(8))] + live + [("attribute_version", u64(3))]),
        make("ACK", 38, [("credit", u64(8)), ("lost", u64(1)), ("behind", b"new")], "log"),
        make("TYPE", 128, [("member", u64(9)), ("type_of_events", b"kt\x01...")],
             pos_name="type_index"),
        make("FILTER", 28, [("member", u64(9)), ("filter_length", struct.pack("<I", 2)),
                            ("filter", b"kf" + b"kt")], pos_name="filter_version"),
        make("optional", 200, [("unknown", b"whatever")], "id"),
        make("DATA", 36, head, "log"), second,
        make("REG_PUT", 49, [("how", b"\x03"), ("name", b"\x01\x00x"), ("uuid", bytes(16))] +
             contact, "request"),
        make("REG_ENTRY", 53, [("request_type", b"\x31"), ("status", b"\x0a")], "request"),
    ]
    # Told unasked: the request has no number.
    told = make("REG_ENTRY", 53, [("request_type", b"\x31"), ("status", b"\x00"),
                                  ("name", b"\x01\x00x"), ("uuid", bytes(16))] + contact,
                "request")
    told.fields[3] = ("request", bytes(4))
    return frames + [told]


# ---------------------------------------------------------------------- captures

class Capture:
    """A file of IPv4 packets with TCP segments."""

    def __init__(self, path):
        self.path, self.port = path, 40000
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 1 << 18, LINKTYPE_IPV4))

    def packet(self, source, target, ports, seq, ack, data):
        tcp = struct.pack(">HHIIBBHHH", *ports, seq & 0xffffffff, ack & 0xffffffff, 5 << 4,
                          0x18, 65535, 0, 0)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 0, 0x4000, 64, 6, 0,
                         bytes([10, 0, 0, source]), bytes([10, 0, 0, target]))
        size = 40 + len(data)
        self.file.write(struct.pack("<IIII", 0, 0, size, size) + ip + tcp + data)

    def connection(self, said, pieces):
        """@said: (from, to, bytes). @pieces: how many bytes a segment takes next."""
        self.port += 1
        first, seq, least = said[0][0], {}, HEADER
        for one, other, data in said:
            ports = (self.port, 9) if one == first else (9, self.port)
            while data:
                size = min(max(pieces(len(data)), least), SEGMENT_MAX, len(data))
                least = 1
                self.packet(ord(one), ord(other), ports, seq.get(one, 1), seq.get(other, 1),
                            data[:size])
                seq[one] = seq.get(one, 1) + size
                data = data[size:]

    def close(self):
        self.file.close()


def tshark(dissector, capture, *options):
    # As root the configuration of whoever runs this is not to be read.
    done = subprocess.run(["tshark", "-X", "lua_script:" + dissector, "-r", capture, *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C"})
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode()


def show(dissector, capture, *options):
    code, out, err = tshark(dissector, capture, "-T", "pdml", *options)
    if code:
        raise SystemExit("Bail out! tshark: " + err)
    return xml.etree.ElementTree.fromstring(out)


# ---------------------------------------------------------------------- comparing

def fields_of(proto):
    """(name, bytes, expert items are left out), in the order of the tree."""
    for field in proto.iter("field"):
        name = field.get("name", "")
        if name.startswith("kecho.") and not name.startswith("kecho.expert"):
            name = name[len("kecho."):]
            if name not in GROUPS and field.get("value"):
                yield name, bytes.fromhex(field.get("value")), field


def difference(frame, proto):
    """What is not as it was said, or None. Fields may have others inside."""
    wanted = [(RENAMED.get((frame.name, name, len(data)), name), data)
              for name, data in frame.fields if data]
    inside = 0
    for name, data, _ in fields_of(proto):
        if inside >= len(data) and (not wanted or (name, data) != wanted[0]):
            inside -= len(data)
        elif wanted and (name, data) == wanted[0]:
            wanted.pop(0)
            inside = len(data) if name == "attributes" else 0
        else:
            return f"{frame.name}: {name} {data.hex()[:80]}, not {wanted[:1]}"
    return f"{frame.name}: {wanted[0]} is not there" if wanted else None


def write_capture(path, connections, pieces):
    capture = Capture(path)
    for said in connections:
        capture.connection(said, pieces)
    capture.close()


def whole(size):
    return size


def bytes_of(said):
    return [(one, other, frame.bytes) for one, other, frame in said]


def merge(said):
    """What one says without an answer in between is said at once."""
    merged = []
    for one, other, data in said:
        if merged and merged[-1][0] == one:
            data = merged.pop()[2] + data
        merged.append((one, other, data))
    return merged


def compare(dissector, path, connections, name):
    """Of the capture at @path, in which the frames of @connections are in this order."""
    shown = [p for p in show(dissector, path).iter("proto") if p.get("name") == "kecho"]
    said = [f for connection in connections for _, _, f in connection]
    result(len(shown) == len(said), f"{name}: {len(said)} frames", f"it shows {len(shown)}")
    wrong = [d for d in map(difference, said, shown) if d]
    result(not wrong, f"{name}: each field of each frame", *wrong[:5])
    return shown


def texts(shown, name):
    return {f.get("showname") for proto in shown for n, _, f in fields_of(proto) if n == name}


def compare_all(dissector, recording, folder):
    connections = read_recording(recording)
    kinds = {f.name for said in connections for _, _, f in said}
    result(len(kinds) >= 33, f"the recording has {len(kinds)} kinds of frames", kinds)
    path = folder + "/session.pcap"
    plain = [bytes_of(said) for said in connections]
    write_capture(path, plain, whole)
    shown = compare(dissector, path, connections, "a frame in a segment")
    code, out, _ = tshark(dissector, path, "-Y", "kecho.expert.header || kecho.expert.short || "
                          "kecho.expert.record || kecho.expert.attribute")
    result(code == 0 and not out, "nothing is malformed", out)
    chance = random.Random(SEED)
    write_capture(path, plain, lambda size: chance.choice((1, 7, 23, 24, 100, 1448)))
    compare(dissector, path, connections, "cut anywhere")
    # One direction after the other.
    sorted_connections = [sorted(said, key=lambda step: step[0] != said[0][0])
                          for said in connections]
    write_capture(path, [merge(bytes_of(said)) for said in sorted_connections], whole)
    compare(dissector, path, sorted_connections, "many frames in a segment")
    for name, wanted in (("type", "Type: DATA (36)"), ("role", "Role: source (1)"),
                         ("policy", "Policy: block (1)"), ("name", "Name: test"),
                         ("status", "Status: it exists (2)"), ("address", "Address: 10.0.0.1:1"),
                         ("record_kind", "Kind: event (2)")):
        result(wanted in texts(shown, name), f"for people: {wanted}", texts(shown, name))


def compare_others(dissector, folder):
    frames = other_frames()
    hello = read_recording(sys.argv[2])[0][0][2]
    said = [("A", "B", f) for f in [hello] + frames]
    path = folder + "/others.pcap"
    write_capture(path, [bytes_of(said)], whole)
    shown = compare(dissector, path, [said], "frames that are in no session")
    for name in ("behind", "optional"):
        _, out, _ = tshark(dissector, path, "-Y", "kecho.expert." + name)
        result(len(out.splitlines()) == 1, f"an expert item: {name}", out)
    result("Integer: -5" in {f.get("showname") for p in shown for f in p.iter("field")},
           "for people: an attribute that is a number")


# ------------------------------------------------------------------------- garbage

def damage(chance, data):
    """A frame that is not as it must be."""
    data = bytearray(data)
    how = chance.randrange(4)
    if how == 0:                        # any byte
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif how == 1 and len(data) > 24:   # a byte of the body, of which lengths are made
        data[chance.randrange(24, len(data))] = chance.choice((0, 1, 127, 128, 255))
    elif how == 2 and len(data) > 24:   # a body that ends anywhere
        size = chance.randrange(len(data) - 24)
        data = data[:24 + size]
        data[:4] = struct.pack("<I", size)
    else:
        data[24:] = chance.randbytes(chance.randrange(200))
        data[:4] = struct.pack("<I", len(data) - 24)
    return bytes(data)


def garbage(dissector, recording, folder):
    chance = random.Random(SEED)
    frames = [f for said in read_recording(recording) for _, _, f in said] + other_frames()
    connections = []
    for i in range(GARBAGE):
        some = [damage(chance, chance.choice(frames).bytes[:3000]) for _ in range(4)]
        if i % 10 == 0:
            some = [chance.randbytes(chance.randrange(1, 2000))]
        connections.append([("A", "B", data) for data in some])
    # Chance seldom leaves all of a set but the kind of an attribute as it was.
    no_kind = make("ATTR", 23, [("member", u64(9)), ("attributes", b"\x05\x00\x09\x01\x00\x00n"),
                                ("age", struct.pack("<I", 70))])
    connections.append([("A", "B", no_kind.bytes)])
    path = folder + "/garbage.pcap"
    write_capture(path, connections, whole)
    code, out, err = tshark(dissector, path, "-V", "-d", "tcp.port==9,kecho")
    result(code == 0, "garbage: tshark comes to its end", err)
    result("Lua Error" not in out and "Lua" not in err, "garbage: no error of the script",
           *[line for line in out.splitlines() + err.splitlines() if "Lua" in line][:5])
    for name in ("header", "short", "record", "attribute"):
        _, out, _ = tshark(dissector, path, "-d", "tcp.port==9,kecho", "-Y",
                           "kecho.expert." + name)
        result(out, f"garbage: an expert item: {name}")
    # Without being told: what does not look like kecho is left to others.
    write_capture(path, [[("A", "B", chance.randbytes(200))] for _ in range(GARBAGE)], whole)
    _, out, _ = tshark(dissector, path, "-Y", "kecho")
    result(not out, "noise is not taken for kecho", out)


def main():
    dissector, recording = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        compare_all(dissector, recording, folder)
        compare_others(dissector, folder)
        garbage(dissector, recording, folder)
    print(f"1..{results}")
    return failed


sys.exit(main())
