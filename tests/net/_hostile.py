# SPDX-License-Identifier: BSD-2-Clause
"""hostile.py - clients that no mail server would be, and what they must never be answered.

  hostile.py policy SOCKET ROUNDS SEED     requests of random attributes, cut and broken, against an
                                           oracle that reads the protocol in its own way
  hostile.py socketmap SOCKET ROUNDS SEED  keys that are addresses and keys that only look so; frames
  hostile.py crowd SOCKET SECONDS SEED     many at once, with logins, who leave when it suits them
  hostile.py hold SOCKET N SEED            N connections that ask once, and stay
  hostile.py http PORT SECRET              what is no HTTP request, and what only looks odd

Prints what went wrong, or "fine"; called by hostile.sh, whose configuration it knows.
"""
import random, re, resource, socket, sys, threading, time

wrong = 0


def fail(*what):
    global wrong
    wrong += 1
    print("#", *(repr(w)[:900] for w in what))
    if wrong > 5:
        sys.exit(1)


def unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(path)
    return s


def rest(s):
    got = b""
    try:
        while True:
            b = s.recv(65536)
            if not b:
                return got
            got += b
    except ConnectionResetError:
        return got


# --- policy

# the first of each is what a plain request says
VALUES = {
    "request": ["smtpd_access_policy"] * 40 + ["smtpd_access_policy ", "junk", ""],
    "protocol_state": "RCPT|DATA|CONNECT|EHLO|MAIL|END-OF-MESSAGE|VRFY|ETRN|rcpt||RCPT ".split("|"),
    "client_address": ["192.0.2.10", "2001:db8:a::10", "203.0.113.5", "198.51.100.66",
                       "::ffff:192.0.2.10", "unknown", "", "192.0.2.10%eth0", "fe80::1%lo",
                       "192.0.2.010", "[192.0.2.10]", "192.0.2.10 ", "1" * 300, "192.0.2.10/24"],
    "client_name": ["unknown", "host.isp.example", "ISP.example", ".isp.example"],
    "server_address": ["10.77.0.1", "2001:db8:77::1", "", "x"],
    "server_port": ["25", "587", "0025", "25 ", " 25", "-1", "65536", "9" * 30, "25x", "", "143"],
    "sender": ["a@b.example", "", "spam@bad.example", "a\x80@b", "x@" + "y" * 500, "@", "a@", "%s%n"],
    "recipient": ["v@elsewhere.example", "v@example.test", "", "all@example.test",
                  "v%x@example.test", "v@backup.example.net", "@", "a@b@c", "v@el\x01se.example",
                  "v@" + "e" * 900, "v@x\x7f"],
    "sasl_username": ["", "fred", "limited", "u%d", "x" * 400, "\xff\xfe", "a'b\"c;--"],
    "policy_context": ["relay", "", "Relay", "RELAY", "relay ", "relay2", " relay"],
    "instance": ["1.2.3", "", "9" * 200],
    "unheard_of": ["x"],
}
ANSWER = re.compile(rb"action=(OK|DUNNO|PREPEND X-Own-Network: 8bdc1a|[45]\d\d [\x20-\x7e]*)\n\n")


def request(r):
    lines = []
    for name, values in VALUES.items():
        for _ in range(r.choices([1, 0, 2], [60, 2, 2])[0]):
            v = values[0] if r.random() < .5 else r.choice(values)
            lines.append(name + "=" + v.replace("u%d", "u%d" % r.randrange(10**6)))
    if r.random() < .5:
        r.shuffle(lines)
    if r.random() < .02:
        lines.insert(0, r.choice(["nonsense", "=x", "a\0b=c", "\x16\x03"]))
    eol = r.choice(["\n", "\n", "\r\n"])
    return (eol.join(lines) + eol + eol).encode("latin-1")


def mutant(r, data):
    b = bytearray(data)
    for _ in range(r.randrange(1, 4)):
        i, what = r.randrange(len(b) + 1), r.random()
        if what < .4:
            b[i:i + 1] = bytes([r.randrange(256)])
        elif what < .7:
            del b[i:i + r.randrange(1, 5)]
        else:
            b[i:i] = r.choice([b"\n", b"\r\n", b"=", b"\0", b"\n\n", b"policy_context=relay\n", b"\r"])
    return bytes(b)


def understood(data):
    """The requests in it, up to the first that is none; and whether one was none."""
    out, lines = [], []
    for line in data.split(b"\n")[:-1]:
        if line not in (b"", b"\r"):
            lines.append(line[:-1] if line.endswith(b"\r") else line)
            continue
        pairs = [l.partition(b"=") for l in lines]
        if any(b"\0" in l for l in lines) or not all(p[0] and p[1] for p in pairs):
            return out, True
        names = {p[0]: p[2] for p in reversed(pairs)}
        if names.get(b"request") != b"smtpd_access_policy":
            return out, True
        out.append(names)
        lines = []
    return out, False


def judge(asked, action):
    if action == b"OK" and (asked.get(b"policy_context") != b"relay" or
                            asked.get(b"protocol_state") != b"RCPT"):
        fail("an OK", asked)
    if action.startswith(b"PREPEND") and asked.get(b"protocol_state") != b"RCPT":
        fail("a header", asked)


def policy(path, rounds, seed):
    r, oks = random.Random(seed), 0
    for n in range(rounds):
        data = b"".join(request(r) for _ in range(r.randrange(1, 6)))
        if r.random() < .4:
            data = mutant(r, data)
        asked, broken = understood(data)
        step = r.choice([len(data), len(data), 97])
        s = unix(path)
        try:
            for i in range(0, len(data), step):
                s.sendall(data[i:i + step])
            if n % 3:
                s.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if n % 3 == 0:  # gone, without a look at the answer
            s.close()
            continue
        got = rest(s)
        s.close()
        actions = ANSWER.findall(got)
        if ANSWER.sub(b"", got):
            fail("an odd answer", got, data)
        if len(actions) > len(asked) or (len(actions) < len(asked) and not broken and len(data) < 15000):
            fail("%d answers to %d requests" % (len(actions), len(asked)), data)
        for a, action in zip(asked, actions):
            judge(a, action)
            oks += action == b"OK"
    if oks < rounds / 20:
        fail("hardly an OK", oks)


# --- socketmap

ADDRESSES = ["192.0.2.10", "2001:db8:a::10", "2001:DB8:A::10", "2001:db8:a:0:0:0:0:10",
             "2001:0db8:000a::0010", "::ffff:192.0.2.10", "::ffff:c000:20a"]
# what Postfix asks besides (names, parts of addresses and names, mail addresses), what a person might
# write, and what some library would take for 192.0.2.10
NO_ADDRESSES = """unknown|192.0.2|192.0|192|192.0.2.|192.0.2.10.|192.0.2.0/24|192.0.2.10/32|192.0.2.010
0192.0.2.10|192.0.2.10 | 192.0.2.10|192.0.2.10\t|[192.0.2.10]|[2001:db8:a::10]|IPv6:2001:db8:a::10|<>|*
2001:db8:a::10%eth0|2001:db8:a::10%2|fe80::1%s0|2001:db8:a::10/128|2001:db8:a|2001:db8:a:|2001:db8
2001:db8:a:0:0:0:0|2001:db8:a::10::|2001:db8:a:::10|12001:db8:a::10|2001:db8:a::g|::ffff:192.0.2.010
::ffff:192.0.2.10/128|host.isp.example|isp.example|.isp.example|3221225994|0xc0.0.2.10|0xc000020a
192.0.522|030000001012|192.0.2.10.isp.example|192.0.2.266|192.0.2.10:25|192.0.2.10@x|permit|a@b
10.2.0.192.in-addr.arpa|192.0.2.10,192.0.2.10|192.0.2.10;|+192.0.2.10|192.0.2.+10|192.0.2.1O"""
FRAMES = [b"3:a b,", b"0:,", b"99999999999:", b"-1:x,", b"03:a b,", b"17:permit 192.0.2.10,",
          b"9:permit \0x,", b"\n", b"17:permit 192.0.2.10", b"18:permit 192.0.2.10 ,", b"7:permit ,",
          b"4294967313:permit 192.0.2.10,", b"18446744073709551633:permit 192.0.2.10,"]
NOTHING = b"9:NOTFOUND ,"


def look(path, text):
    s = unix(path)
    s.sendall(b"%d:%s," % (len(text), text))
    s.shutdown(socket.SHUT_WR)
    got = rest(s)
    s.close()
    return got


def socketmap(path, rounds, seed):
    for a in ADDRESSES:
        if look(path, b"permit " + a.encode()) != b"5:OK OK,":
            fail("an address", a)
    for key in [""] + re.split(r"[|\n]", NO_ADDRESSES) + ["x" * 9000, "192.0.2.10\n", "\u0661.0.2.10"]:
        for table in (b"permit ", b"access "):
            if look(path, table + key.encode()) != NOTHING:
                fail("no address", table, key, look(path, table + key.encode()))
    for key in ("::192.0.2.10", "2002:c000:020a::", "64:ff9b::c000:20a", "::ffff:0:192.0.2.10"):
        if look(path, b"permit " + key.encode()) != NOTHING:  # addresses, but of somebody else
            fail("another address", key)
    for table in (b"Permit", b"permit ", b"permits", b"mynetworks", b"per mit", b"access2"):
        if look(path, table + b" 192.0.2.10") != NOTHING:
            fail("a table that is none", table)
    r = random.Random(seed)
    for _ in range(rounds):
        data = b"".join(r.choice(FRAMES) for _ in range(r.randrange(1, 6)))
        if r.random() < .5:
            data = mutant(r, data)
        s = unix(path)
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        got = rest(s)
        s.close()
        if not re.fullmatch(rb"(5:OK OK,|9:NOTFOUND ,|26:OK 550 5.7.1 access denied,)*", got):
            fail("an odd answer", got, data)
        # a mutant may ask for another address of the office
        if got.count(b"OK OK") > len(re.findall(rb"permit 192\.0\.2\.\d", data)):
            fail("an OK", got, data)


# --- a crowd

def one_of_the_crowd(path, end, seed):
    r = random.Random(seed)
    plain = {n: v[0] for n, v in VALUES.items()}
    while time.time() < end:
        n = r.randrange(1, 40)
        data = b"".join(
            "".join("%s=%s\n" % p for p in dict(plain, sasl_username=r.choice(
                ["", "fred", "limited", "u%d" % r.randrange(10**7)])).items()).encode() + b"\n"
            for _ in range(n)) + (r.choice([b"nonsense\n\n", b"request=s", b"\0\n\n"]) if r.random() < .2 else b"")
        try:
            s = unix(path)
            s.sendall(data)
            what, got = r.random(), b""
            if what < .5:
                s.recv(100) if what < .2 else None
            else:
                while got.count(b"\n\n") < n:
                    b = s.recv(4096)
                    if not b:
                        fail("%d answers to %d requests" % (got.count(b"\n\n"), n))
                        break
                    got += b
                if ANSWER.sub(b"", got):
                    fail("an odd answer", got)
            s.close()
        except OSError as e:
            if isinstance(e, TimeoutError) or "what" not in locals():
                fail("no answer", e)


def crowd(path, seconds, seed):
    end = time.time() + seconds
    all_ = [threading.Thread(target=one_of_the_crowd, args=(path, end, seed + i)) for i in range(20)]
    [t.start() for t in all_]
    [t.join() for t in all_]


def hold(path, n, seed):
    resource.setrlimit(resource.RLIMIT_NOFILE, (n + 100,) * 2)
    plain = "".join("%s=%s\n" % (name, v[0]) for name, v in VALUES.items()).encode() + b"\n"
    held = []
    while len(held) < n:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        try:
            s.connect(path)
        except BlockingIOError:  # more than the backlog, for a moment
            time.sleep(.01)
            continue
        if len(held) % 2:
            s.sendall(plain if len(held) % 4 == 1 else plain[:50])
        held.append(s)
    for _ in range(20):
        s = unix(path)
        s.sendall(plain)
        if not ANSWER.fullmatch(s.recv(4096)):
            fail("no answer behind those who hold on")
        s.close()


# --- HTTP

BODY = b'{"login":"fred","remote":"203.0.113.5","protocol":"imap","session_id":"s","lport":"143"}'
# as Dovecot 2.3 and 2.4 write them, with all that can be asked for
BODY_23 = (b'{"auth_user":"fred","cert":"","d":"","domain_first":"","lip":"10.77.0.1","login":"fred",'
           b'"lport":"143","master_user":"","mech":"PLAIN","n":"fred","pid":"197","protocol":"imap",'
           b'"pwhash":"09af","real_rip":"192.0.2.10","remote":"203.0.113.5","rport":"52390",'
           b'"secured":"","session":"B3b8gs9gpszAAAIK","svc":{"inner":"imap"},"tls":false}')
BODY_24 = (b'{"device_id":"","fail_type":"credentials","login":"fred","protocol":"imap","pwhash":"09af",'
           b'"remote":"203.0.113.5","session_id":"WaH9gM9gdrfAAAIK","local_port":"143","tls":true}')


def http(port, data, more=b""):
    """All that comes back until the other side closes, or a second of silence."""
    s = socket.create_connection(("127.0.0.1", port), 5)
    s.settimeout(1)
    got = b""
    try:
        s.sendall(data)
        if more:
            got = s.recv(4096)
            s.sendall(more)
        while True:
            b = s.recv(65536)
            if not b:
                break
            got += b
            if b"}" in b:  # the end of an answer: whether more comes shows in a moment
                s.settimeout(.2)
    except (TimeoutError, ConnectionResetError, BrokenPipeError):
        pass
    s.close()
    return got


def post(body, target=b"/?command=allow", version=b"1.1", headers=b"", length=None):
    length = b"Content-Length: %d\r\n" % len(body) if length is None else length
    return b"POST %s HTTP/%s\r\nHost: localhost\r\n%s%s\r\n%s" % (target, version, headers, length, body)


def status_of(got):
    return int(got[9:12]) if re.match(rb"HTTP/1\.[01] \d\d\d ", got) else 0


def expect(what, got, code, status=None):
    found = re.findall(rb'"status": (-?\d+)[,}]', got)
    if status_of(got) != code or (code == 200 and found != [b"%d" % status]):
        fail(what, got)


def odd_but_good(port):
    for name, body in (("plain", BODY), ("2.3", BODY_23), ("2.4", BODY_24)):
        expect(name, http(port, post(body)), 200, 0)
        expect(name, http(port, post(body.replace(b"203.0.113.5", b"198.51.100.66"))), 200, -1)
    one = http(port, post(BODY, version=b"1.0"))
    expect("HTTP/1.0", one, 200, 0)
    if b"keep-alive" in one.lower():
        fail("HTTP/1.0 stays open", one)
    got = http(port, post(b"", headers=b"Expect: 100-continue\r\n", length=b"Content-Length: %d\r\n" % len(BODY)), BODY)
    if not got.startswith(b"HTTP/1.1 100 "):
        fail("100-continue", got)
    expect("100-continue", got.partition(b"\r\n\r\n")[2], 200, 0)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(BODY[i:i + 7]), BODY[i:i + 7]) for i in range(0, len(BODY), 7))
    expect("chunks", http(port, post(chunks + b"0\r\n\r\n", length=b"Transfer-Encoding: chunked\r\n")), 200, 0)
    expect("absolute", http(port, post(BODY, b"http://127.0.0.1/?command=allow")), 200, 0)
    expect("more arguments", http(port, post(BODY, b"/?x=1&command=allow&command=reset")), 200, 0)
    got = http(port, post(BODY) + post(BODY.replace(b"203.0.113.5", b"198.51.100.66")) + post(BODY))
    if re.findall(rb'"status": (-?\d+)', got) != [b"0", b"-1", b"0"]:
        fail("pipelined", got)
    s = socket.create_connection(("127.0.0.1", port), 5)
    for b in post(BODY):
        s.sendall(bytes([b]))
        time.sleep(.002)
    expect("a byte at a time", s.recv(4096), 200, 0)
    s.close()


def no_requests(port):
    for what, code, data in (
            ("no command", 404, post(BODY, b"/")),
            ("another command", 404, post(BODY, b"/?command=allow2")),
            ("a command in capitals", 404, post(BODY, b"/?command=ALLOW")),
            ("a command in the path", 404, post(BODY, b"/allow")),
            ("PUT", 405, post(BODY).replace(b"POST", b"PUT")),
            ("OPTIONS", 405, b"OPTIONS /?command=allow HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("no body", 400, post(b"")),
            ("a number", 400, post(b"7")),
            ("a list", 400, post(b"[" + BODY + b"]")),
            ("half of it", 400, post(BODY[:-9])),
            ("twice", 400, post(BODY + BODY)),
            ("a deep one", 400, post(b'{"remote":' + b"[" * 3000 + b"]" * 3000 + b"}")),
            ("a name twice", 400, post(BODY.replace(b'"lport":"143"', b'"remote":"192.0.2.10"'))),
            ("an address that is none", 400, post(BODY.replace(b"203.0.113.5", b"203.0.113.05"))),
            ("a network", 400, post(BODY.replace(b"203.0.113.5", b"203.0.113.0/24"))),
            ("bytes", 400, post(bytes(range(256)))),
            ("a long one", 413, post(BODY + b" " * 100000)),
            ("a long one in chunks", 413, post(b"14000\r\n" + b" " * 0x14000 + b"\r\n" + b"0\r\n\r\n",
                                               length=b"Transfer-Encoding: chunked\r\n")),
    ):
        expect(what, http(port, data), code)
    for what, data in (
            ("a length that is none", post(BODY, length=b"Content-Length: x\r\n")),
            ("a negative one", post(BODY, length=b"Content-Length: -5\r\n")),
            ("a huge one", post(BODY, length=b"Content-Length: 99999999999999999999999\r\n")),
            ("a chunk that is none", post(b"xyz\r\nhello\r\n", length=b"Transfer-Encoding: chunked\r\n")),
            ("a huge chunk", post(b"ffffffffffffffffffff\r\nx", length=b"Transfer-Encoding: chunked\r\n")),
            ("headers without end", post(BODY, headers=b"X: " + b"y" * 60000 + b"\r\n")),
            ("many headers", post(BODY, headers=b"".join(b"X%d: y\r\n" % i for i in range(5000)))),
            ("a long target", post(BODY, b"/?command=allow&" + b"z" * 60000)),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500),
            ("Postfix", b"request=smtpd_access_policy\nprotocol_state=RCPT\n\n"),
            ("nothing", b"\r\n\r\n\r\n"),
            ("NULs", b"\0" * 5000),
            ("half of one", post(BODY)[:-5]),
    ):
        got = http(port, data)
        if b'"status": -1' in got or status_of(got) == 200:
            fail(what, got)


def proofs(port, secret):
    good = secret.encode()
    for key in (b"", good[:-1], good + b"0", good.upper() if good.upper() != good else b"x", b"*", b"\xff" * 32,
                b"Basic " + good, b"null"):
        report = BODY.replace(b'"lport"', b'"success":true,"policy_reject":false,"lport"')
        for name in (b"X-API-Key", b"Authorization", b"Cookie"):
            got = http(port, post(report, b"/?command=report", headers=b"%s: %s\r\n" % (name, key)))
            if status_of(got) not in (200, 400, 0):
                fail("a report", key, got)


def everything_http(port, secret):
    odd_but_good(port)
    no_requests(port)
    proofs(port, secret)
    # who opens connections and holds them keeps nobody out
    held = []
    for i in range(700):
        s = socket.create_connection(("127.0.0.1", port), 5)
        if i % 2:
            s.sendall(post(BODY)[:-5 if i % 4 == 1 else 20])
        held.append(s)
        if i % 5 == 0:
            held.pop(0).close()
    for _ in range(20):
        expect("behind those who hold on", http(port, post(BODY)), 200, 0)


mode, where, args = sys.argv[1], sys.argv[2], sys.argv[3:]
if mode == "http":
    everything_http(int(where), args[0])
else:
    {"policy": policy, "socketmap": socketmap, "crowd": crowd, "hold": hold}[mode](where, int(args[0]), int(args[1]))
print("wrong" if wrong else "fine")
