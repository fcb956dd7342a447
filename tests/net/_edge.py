# SPDX-License-Identifier: BSD-2-Clause
"""edge.py - asks every layer of answers about one entry, before its end, across it and after it.

  edge.py permit|ban EXPIRES ADDRESS POLICY SOCKETMAP HTTP-PORT

EXPIRES is the end in the kernel's map, in boot nanoseconds.  An answer is wrong if the question
left behind the end and the entry still counts, or if the answer was here before the end and the
entry does not: no clock of a test is guessed.  Prints what is wrong, or "fine" with the distance
that was seen; called by expiry-answers.sh, whose configuration it knows.
"""
import json, socket, sys, time

AROUND = 400_000_000  # ns on either side of the end
PAUSE = 0.0002        # s between two rounds


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def unix(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(10)
    s.connect(path)
    return s


def until(s, mark):
    got = b""
    while not got.endswith(mark):
        b = s.recv(4096)
        if not b:
            raise EOFError("closed after %r" % got)
        got += b
    return got


class Policy:
    def __init__(self, path, context):
        self.s, self.context = unix(path), context

    def ask(self, address):
        self.s.sendall(("request=smtpd_access_policy\nprotocol_state=RCPT\nclient_address=%s\n"
                        "server_port=25\nsender=a@b.example\nrecipient=v@elsewhere.example\n"
                        "policy_context=%s\n\n" % (address, self.context)).encode())
        return until(self.s, b"\n\n").decode().strip()


class Table:
    def __init__(self, path, name):
        self.s, self.name = unix(path), name

    def ask(self, address):
        key = "%s %s" % (self.name, address)
        self.s.sendall(("%d:%s," % (len(key), key)).encode())
        return until(self.s, b",").decode().split(":", 1)[1]


class Login:
    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), 10)

    def ask(self, address):
        body = json.dumps({"login": "anna", "protocol": "imap", "remote": address})
        self.s.sendall(("POST /?command=allow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                        % (len(body), body)).encode())
        got = until(self.s, b"}").decode()
        return str(json.loads(got[got.index("{"):])["status"])


def main():
    kind, expires, address, policy, table, port = sys.argv[1:]
    expires = int(expires)
    if kind == "permit":
        asked = {"policy": (Policy(policy, "relay"), lambda a: a == "action=OK"),
                 "socketmap": (Table(table, "permit"), lambda a: a.startswith("OK ")),
                 "auth policy": (Login(int(port)), lambda a: a == "0")}
    else:
        asked = {"policy": (Policy(policy, ""), lambda a: a.startswith("action=550")),
                 "socketmap": (Table(table, "access"), lambda a: a.startswith("OK 550")),
                 "auth policy": (Login(int(port)), lambda a: a == "-1")}
    seen = {name: [0, 0] for name in asked}
    nearest = {name: [AROUND, AROUND] for name in asked}
    wrong = 0
    while now() < expires - AROUND:
        time.sleep(0.01)
    while now() < expires + AROUND:
        for name, (who, counts) in asked.items():
            before = now()
            answer = who.ask(address)
            after = now()
            live = counts(answer)
            seen[name][live] += 1
            gap = expires - after if live else before - expires
            nearest[name][live] = min(nearest[name][live], abs(gap))
            if (live and before >= expires) or (not live and after < expires):
                wrong += 1
                if wrong < 5:
                    print("%s: %r, %d us %s the end" % (
                        name, answer, abs(gap) // 1000, "behind" if live else "before"))
        time.sleep(PAUSE)
    for name, n in seen.items():
        if not n[0] or not n[1]:
            wrong += 1
            print("%s: %d answers with the entry, %d without" % (name, n[1], n[0]))
    print("%s: %s" % ("wrong" if wrong else "fine", ", ".join(
        "%s %d us before to %d us behind" % (n, v[1] // 1000, v[0] // 1000) for n, v in nearest.items())))
    return 1 if wrong else 0


sys.exit(main())
