#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""metrics.py ADDR:PORT: clients of all kinds at `kecho metrics --listen`, in TAP lines
without numbers: who stalls, drips, asks for nonsense, and many at once.
"""
import http.client
import os
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CONNECTIONS_MAX = 32
LASTS_S = 5
host, port = sys.argv[1].rsplit(":", 1)
place = (host, int(port))


def claim(good, what):
    print(f"{'ok' if good else 'not ok'} - {what}", flush=True)


def ask(method="GET", path="/metrics"):
    c = http.client.HTTPConnection(*place, timeout=15)
    c.request(method, path)
    r = c.getresponse()
    return r.status, r.headers, r.read()


def strict(text):
    return subprocess.run([HERE + "/openmetrics.py"], input=text, stdout=subprocess.DEVNULL,
                          check=False).returncode == 0


def plain():
    code, headers, body = ask()
    claim(code == 200 and strict(body), "GET /metrics is OpenMetrics")
    claim(headers["Content-Type"] ==
          "application/openmetrics-text; version=1.0.0; charset=utf-8", "its type")
    claim(int(headers["Content-Length"]) == len(body), "its length")
    code, headers, body = ask("HEAD")
    claim(code == 200 and body == b"" and int(headers["Content-Length"]) > 0,
          "HEAD has the head only")
    claim(ask(path="/metrics?x=y")[0] == 200, "a query changes nothing")
    for path in ("/", "/metrics/", "/metricsx", "//metrics", "/%00", "/../metrics"):
        claim(ask(path=path)[0] == 404, f"{path} is not there")
    code, headers, _ = ask("DELETE")
    claim(code == 405 and headers["Allow"] == "GET, HEAD", "DELETE is not allowed")


def raw(data):
    """What comes back until the end, and after how long that is."""
    begin = time.monotonic()
    with socket.create_connection(place, timeout=LASTS_S * 2) as s:
        got = b""
        try:
            s.sendall(data)
            while True:
                more = s.recv(65536)
                if not more:
                    break
                got += more
        except ConnectionError:
            pass
    return got, time.monotonic() - begin


def nonsense():
    for what, data in (("no request", b"\x16\x03\x01\x00\xff\r\n\r\n"),
                       ("a head that has no end", b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 65536)):
        got, _ = raw(data)
        claim(b" 200 " not in got.split(b"\r\n")[0], f"{what} is refused")


def together(n):
    results = []

    def one():
        code, _, body = ask()
        results.append(code == 200 and strict(body))

    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results.count(True) == n


def drip(s, stop):
    """A byte now and then: never idle for long, never done."""
    try:
        while not stop.wait(.5):
            s.sendall(b"x")
    except OSError:
        pass


def slow():
    """All places but one are taken by those who say nothing, or drip."""
    silent = [socket.create_connection(place) for _ in range(CONNECTIONS_MAX - 2)]
    dripping = socket.create_connection(place)
    dripping.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    stop = threading.Event()
    t = threading.Thread(target=drip, args=(dripping, stop))
    t.start()
    begin = time.monotonic()
    claim(ask()[0] == 200, "who asks between those that stall is answered")
    claim(time.monotonic() - begin < 4, "and does not wait for them")
    more = [socket.create_connection(place) for _ in range(8)]
    claim(ask()[0] == 200, "with all places taken, one who comes gets his turn")
    claim(time.monotonic() - begin < LASTS_S + 5, "when those that stall were ended")
    dripping.settimeout(2 * LASTS_S)
    try:
        ended = dripping.recv(1) == b""
    except ConnectionError:
        ended = True
    claim(ended and time.monotonic() - begin < LASTS_S + 5, "one who drips is ended too")
    stop.set()
    t.join()
    for s in silent + more + [dripping]:
        s.close()


plain()
nonsense()
claim(together(8), "eight at once")
slow()
claim(ask()[0] == 200, "it goes on")
