# SPDX-License-Identifier: BSD-2-Clause
"""answers.py - random policies, random questions, and what each layer must answer.

  answers.py DIR SEED POLICIES QUESTIONS COMMAND...

COMMAND... is the command `mailreeve` of the daemon under test.  Writes policy after policy to
DIR/mailreeve.conf, applies it, and asks Postfix's way (policy, socketmap), Dovecot's way (HTTP) and
the administrator's (`why`).  What they must say is worked out here from the manual, with other data
structures and none of the daemon's code: text, sets and the addresses of Python's library.  Prints
what is wrong, or "fine" and how often each answer came; called by answers.sh.
"""
import http.client, ipaddress, json, random, re, socket, subprocess, sys, time

DIR, SEED, POLICIES, QUESTIONS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
COMMAND = sys.argv[5:]
R = random.Random(SEED)

# --- what is asked about

ADDRESSES = ["192.0.2.10", "192.0.2.200", "198.51.100.66", "203.0.113.5", "203.0.113.130",
             "203.0.113.131", "203.0.113.140", "203.0.113.141", "2001:db8:a::10",
             "2001:DB8:A::0010", "2001:db8:c::5", "2001:db8:b::66", "::ffff:192.0.2.10",
             "fe80::1%eth0", "127.0.0.1", "::1"]
PERMITTED = {"203.0.113.5", "203.0.113.141", "2001:db8:c::5"}
BANNED = {"203.0.113.140", "203.0.113.141", "2001:db8:b::66"}
NAMES = ["unknown", "host.isp.example", "ISP.EXAMPLE", "hostisp.example", "isp.example.", "",
         "isp.example.evil.example"]
SENDERS = ["", "a@b.example", "SPAM@Bad.Example", "x@bad2.example", "y@sub.bad2.example",
           "z@bluewidget.com", "z@WIDGET.com", "z@nifty.widget.com.", "z@widget.com.evil.example",
           "a@local.example", "A@LOCAL.EXAMPLE.", "fred@local.example", "boss@partner.example",
           "BOSS@Partner.example", "other@partner.example", "q@accepted.example", "nodomain",
           "@b.example", "a@", "a@nodot", "a@1.2.3.4", "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
           "a@[1.2.3]", "foo bar@b.example", "a@b@b.example", "a@-b.example", "a@b..example",
           "a@.example", "x" * 64 + "@b.example", "x" * 65 + "@b.example",
           "a@" + "l" * 63 + ".example", "a@" + "l" * 64 + ".example", "a@münchen.example",
           "a%bad2.example@b.example", "spam@bad.example@b.example", "fred", "spam+x@bad.example"]
RECIPIENTS = ["v@elsewhere.example", "v@local.example", "V@LOCAL.example.", "v@sub.local.example",
              "v", "", "v@", "v@backup.example.net", "V@BACKUP.EXAMPLE.NET.",
              "v%x.example@backup.example.net", "x!v@backup.example.net",
              "v@x.example@backup.example.net", "v%x.example@local.example", "all@local.example",
              "ALL@Local.Example", "all+ext@local.example", "all", "staff@other.example",
              "staff+z@other.example", "all@elsewhere.example", "v@[10.77.0.1]",
              "@a,@b:v@elsewhere.example", "v@" + "e" * 200 + ".example", "v@münchen.example"]
USERS = ["", "", "anna", "ANNA", "bob@example.com", "evil", "fred", "limited", "LIMITED"]
PORTS = {"25": "smtp", "025": "smtp", "587": "submission", "465": "submissions"}
STATES = ["RCPT"] * 6 + ["CONNECT", "EHLO", "HELO", "MAIL", "DATA", "END-OF-MESSAGE", "VRFY", "ETRN",
                         "rcpt", ""]
CONTEXTS = ["relay", "relay", "", "access", "Relay", "relay "]

LOCAL = ["local.example", "Local2.Example", "münchen.example"]
BACKUP = ["backup.example.net"]
KILL = ["spam@bad.example", "@Bad2.example", "@*widget.com"]
ACCEPT = ["boss@partner.example", "accepted.example", "fred", "203.0.113.130", "2001:db8:c:0:0::5"]
GROUPS = ["all", "staff@other.example"]
OFFICE = ["192.0.2.0/28", "2001:db8:a::/64"]
LISTS = {"kill": KILL, "accept": ACCEPT, "groups": GROUPS}

# --- policies


def a_rule(in_global=False):
    action = R.choice(["allow", "allow", "allow", "deny", "reject"])
    source = R.choice(["any", "192.0.2.0/24", "203.0.113.128/25", "203.0.113.0/24", "2001:db8:a::/48",
                       "2001:db8::/32", "::/0", "permitted", "banned", "name isp.example",
                       "198.51.100.66", "@office", "loopback"])
    users = R.choice([None, None, None, ["anna", "bob@example.com"], ["evil"]])
    return dict(action=action, source=source, users=users,
                noauth=action == "allow" and not in_global and R.random() < .4)


ANYBODY = dict(action="allow", source="any", users=None, noauth=False)


def a_policy():
    p = {"global": [a_rule(True) for _ in range(R.randrange(3))], "services": {},
         "mode": R.choice(["anyone", "addresses", "addresses", "none", "local-hosts", "local-users"]),
         "local": LOCAL if R.random() < .85 else [], "to": BACKUP if R.random() < .7 else [],
         "kill": R.random() < .7, "accept": R.random() < .8, "groups": R.random() < .7,
         "check": R.random() < .4, "header": R.random() < .7,
         "texts": R.choice([{}, {}, {"relay": "no relay for you", "access": "554 5.7.9 go away",
                                     "sender": "bad you", "group": "450 later"}])}
    for name in ("smtp", "submission", "submissions"):
        if R.random() < .85:
            p["services"][name] = dict(
                rules=[a_rule() for _ in range(R.randrange(6))] + [ANYBODY] * R.randrange(2), noglobal=R.random() < .2,
                nobans=R.random() < .2, mode=R.choice(["enforce"] * 6 + ["shadow", "off"]),
                default=R.choice([None, None, None, "allow", "deny"]))
    return p


def written(p):
    def rule(r):
        return "%s %s%s%s;" % (r["action"], r["source"],
                               " users { %s }" % " ".join(r["users"]) if r["users"] else "",
                               " noauth" if r["noauth"] else "")

    lines = ["interface s0;", "set office { %s; }" % "; ".join(OFFICE), "accounts none;",
             "account limited { smtp allow 192.0.2.0/24; }", "dovecot { listen 127.0.0.1; }",
             'listen { policy "%s/ask/policy"; socketmap "%s/ask/socketmap"; }' % (DIR, DIR)]
    if p["global"]:
        lines.append("global { %s }" % " ".join(map(rule, p["global"])))
    for name, s in p["services"].items():
        lines.append("service %s { mode %s; %s%s%s%s }" % (
            name, s["mode"], "default %s; " % s["default"] if s["default"] else "",
            "noglobal; " if s["noglobal"] else "", "nobans; " if s["nobans"] else "",
            " ".join(map(rule, s["rules"]))))
    relay = ["mode %s;" % p["mode"]]
    for what, key in (("local-domains", "local"), ("to", "to")):
        if p[key]:
            relay.append("%s { %s };" % (what, " ".join(p[key])))
    relay += ['%s file "%s/%s.lst";' % (k, DIR, k) for k in LISTS if p[k]]
    relay += ['refuse-%s "%s";' % t for t in p["texts"].items()]
    relay += ["check-sender yes;"] * p["check"] + ['header "X-Own: 1";'] * p["header"]
    return "\n".join(lines + ["relay { %s }" % " ".join(relay)]) + "\n"


# --- the manual, once more


def low(text):
    return "".join(c.lower() if ord(c) < 128 else c for c in text)


def address(text):
    x = ipaddress.ip_address(text.partition("%")[0])
    return (x.ipv4_mapped or x) if x.version == 6 else x


def within(x, net):
    n = ipaddress.ip_network(net)
    return n.version == x.version and x in n


def holds(rule, q):
    source, x = rule["source"], q["x"]
    if source in ("any", "permitted", "banned"):
        return source == "any" or q[source]
    if source == "loopback":
        return within(x, "127.0.0.0/8") or within(x, "::1/128")
    if source == "@office":
        return any(within(x, n) for n in OFFICE)
    if source.startswith("name "):
        name, domain = low(q["name"]).removesuffix("."), source[5:]
        return name == domain or name.endswith("." + domain)
    return within(x, source)


def decided(rules, q):
    """The rule that decides, and whether it lets him in."""
    for r in rules:
        if not holds(r, q):
            continue
        listed = q["user"] and r["users"] and low(q["user"]) in map(low, r["users"])
        if r["action"] == "allow":
            return r, not (r["users"] and q["user"]) or listed
        if not r["users"] or listed:
            return r, False
    return None, None


def let_in(p, s, q):
    rule = None
    if q["banned"] and not s["nobans"] and all(r["source"] != "banned" for r in s["rules"]):
        return False, None
    rule, ok = decided(s["rules"], q)
    if rule is None:
        ok = s["default"] == "allow" if s["default"] else not s["rules"]
    if ok and not s["noglobal"] and decided(p["global"], q)[1] is False:
        return False, None
    return ok, rule


def split(mail):
    """Local part and host; the host is None where there is no @, and loses the root's dot."""
    if "@" not in mail:
        return mail, None
    part, host = mail.rsplit("@", 1)
    return part, host[:-1] if len(host) > 1 and host.endswith(".") else host


def ours(p, host):
    return low(host) in map(low, p["local"])


def valid(mail):
    if not mail or "@" not in mail:
        return not mail
    part, host = mail.rsplit("@", 1)
    if not 0 < len(part.encode()) <= 64 or not 0 < len(host.encode()) <= 255:
        return False
    if host.startswith("["):
        inner = host[1:-1]
        try:
            ipaddress.ip_address(inner[5:] if inner.lower().startswith("ipv6:") else inner)
            return host.endswith("]")
        except ValueError:
            return False
    labels = host.split(".")
    return len(labels) > 1 and not labels[-1].isdigit() and all(
        0 < len(l.encode()) < 64 and l[0] != "-" and l[-1] != "-" and
        all(ord(c) > 127 or c.isalnum() or c == "-" for c in l) for l in labels)


def killed(mail):
    part, host = split(low(mail))
    return host is not None and any(
        host.endswith(k[2:]) if k.startswith("@*") else k in ("@" + host, part + "@" + host)
        for k in map(low, KILL))


def accepted(p, q):
    part, host = split(low(q["sender"]))
    for entry in ACCEPT if p["accept"] else []:
        try:
            if ipaddress.ip_address(entry) == q["x"]:
                return True
        except ValueError:
            if host and (low(entry) in (host, part + "@" + host) or
                         low(entry) == part and ours(p, host)):
                return True
    return False


def closed_group(p, mail):
    part, host = split(low(mail))
    if not p["groups"] or not mail:
        return False
    for local in (part, part.partition("+")[0]):
        if (not host or ours(p, host)) and local in GROUPS:
            return True
        if host is not None and local + "@" + host in GROUPS:
            return True
    return False


def may_relay(p, q, rule):
    noauth = rule is not None and rule["noauth"]
    by_name = p["mode"] in ("local-hosts", "local-users") and accepted(p, q)
    host = split(q["sender"])[1]
    return bool(q["user"]) or p["mode"] == "anyone" or p["mode"] != "none" and (
        noauth or by_name or p["mode"] == "local-hosts" and bool(host) and ours(p, host))


def words(p, why, q):
    host = re.sub("[^A-Za-z0-9.-]", "", split(q["recipient"])[1] or "")[:64]
    code, text = {"access": ("550 5.7.1", "access denied"),
                  "killed": ("501 5.7.1", "unacceptable mail address"),
                  "sender": ("501 5.1.7", "unacceptable mail address"),
                  "group": ("550 5.7.1", "this group takes mail from its own users only"),
                  "relay": ("550 5.7.1", "unknown local host%s, not a gateway" % (host and " " + host))}[why]
    own = p["texts"].get("sender" if why == "killed" else why)
    return own if own and re.match(r"[45]\d\d ", own) else "%s %s" % (code, own or text)


def policy_answer(p, q):
    s = p["services"].get(PORTS.get(q["port"]))
    relay = q["context"] == "relay"
    recipient = q["recipient"] if q["state"] == "RCPT" or not relay else ""
    limited = low(q["user"]) == "limited" and not within(q["x"], "192.0.2.0/24")

    def refuse(why):
        nothing = relay and not p["local"] or s and s["mode"] == "shadow"
        return "DUNNO" if nothing else words(p, why, q)

    if not s or s["mode"] == "off":
        return refuse("access") if limited else "DUNNO"
    ok, rule = let_in(p, s, q)
    if not ok or limited:
        return refuse("access")
    if p["kill"] and killed(q["sender"]):
        return refuse("killed")
    if p["check"] and not valid(q["sender"]):
        return refuse("sender")
    may = may_relay(p, q, rule)
    if not may and closed_group(p, recipient):
        return refuse("group")
    if not relay:
        header = p["header"] and q["state"] == "RCPT" and rule and rule["noauth"] and not q["user"]
        return "PREPEND X-Own: 1" if header else "DUNNO"
    part, host = split(recipient)
    if not host or ours(p, host):
        return "DUNNO"
    if may or low(host) in p["to"] and not re.search("[@%!]", part):
        return "OK"
    return refuse("relay")


def about(text, **more):
    x = address(text)
    return dict(dict(address=text, x=x, name="unknown", user="", sender="", recipient="", port="25",
                     state="RCPT", context="", permitted=str(x) in PERMITTED,
                     banned=str(x) in BANNED), **more)


def mail_services(p):
    return [(port, p["services"][name]) for port, name in PORTS.items()
            if port != "025" and p["services"].get(name, {"mode": "off"})["mode"] != "off"]


def table_answers(p, text):
    may, refusals = False, []
    for port, s in mail_services(p):
        q = about(text, port=port)
        ok, rule = let_in(p, s, q)
        may |= ok and may_relay(p, q, rule)
        refusals.append(policy_answer(p, q))
    refused = refusals and all(re.match(r"\d", r) for r in refusals)
    return {"permit": "OK OK" if may else "NOTFOUND ",
            "access": "OK " + refusals[0] if refused else "NOTFOUND "}


def login_answer(p, text, protocol, user, lport):
    mail = protocol.lower() in ("smtp", "submission")
    limited = mail and low(user) == "limited" and not within(address(text), "192.0.2.0/24")
    services = [(port, s) for port, s in mail_services(p) if (port == lport if int(lport) else mail)]
    # who has no name is on no list
    q = about(text, user=user or "\x01")
    verdicts = ["ok" if let_in(p, s, q)[0] and not limited else s["mode"] for _, s in services]
    return -1 if (services or limited) and not {"ok", "shadow"} & set(verdicts) else 0


# --- asking

wrong, seen = 0, {}


def compare(what, want, got, policy):
    global wrong
    seen[str(got)[:6]] = seen.get(str(got)[:6], 0) + 1
    if want == got:
        return
    wrong += 1
    print("%s: %r was expected, not %r" % (what, want, got))
    print("  " + written(policy).replace("\n", "\n  "))
    if wrong > 3:
        sys.exit(1)


class Stream:
    def __init__(self, name):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(20)
        self.s.connect("%s/ask/%s" % (DIR, name))

    def ask(self, data, mark):
        self.s.sendall(data.encode())
        got = b""
        while not got.endswith(mark):
            got += self.s.recv(4096) or sys.exit("closed after %r" % data)
        return got.decode()


def command(*args):
    return subprocess.run([*COMMAND, *args], capture_output=True, text=True)


def ask_policy(stream, q, n):
    lines = ["%s=%s" % a for a in dict(
        request="smtpd_access_policy", protocol_state=q["state"], client_address=q["address"],
        client_name=q["name"], server_port=q["port"], sender=q["sender"], recipient=q["recipient"],
        sasl_username=q["user"], policy_context=q["context"], instance="i%d" % n, size="0").items()]
    R.shuffle(lines)
    return stream.ask("\n".join(lines) + "\n\n", b"\n\n")[7:-2]


def ask_table(stream, table, key):
    text = "%s %s" % (table, key)
    return stream.ask("%d:%s," % (len(text), text), b",").partition(":")[2][:-1]


def ask_why(p, q):
    """What `why` says of both questions must be what Postfix is told."""
    args = ["why", str(q["x"]), q["port"], "--sender", q["sender"], "--recipient", q["recipient"]]
    got = json.loads(command(*args, *(["--user", q["user"]] if q["user"] else []), "--json").stdout)
    for key, context in (("access", ""), ("relay", "relay")):
        if key not in got:  # no such service: nothing to refuse but an account
            continue
        a = got[key]
        text = {"dunno": "DUNNO", "ok": "OK", "prepend": "PREPEND %s" % a["text"]}
        want = policy_answer(p, dict(q, name="unknown", state="RCPT", context=context))
        compare("why %s" % args, want, text.get(a["verdict"], a["text"]), p)
        s = p["services"][PORTS[q["port"]]]
        if got["verdict"] != "allow" and s["mode"] == "enforce" and not context and want == "DUNNO":
            compare("the packets are dropped, and Postfix told nothing: %s" % args, "", want, p)


def one_policy():
    p = a_policy()
    with open(DIR + "/mailreeve.conf", "w") as f:
        f.write(written(p))
    done = command("apply")
    if done.returncode:
        sys.exit("apply: %s%s%s" % (done.stdout, done.stderr, written(p)))
    policy, table = Stream("policy"), Stream("socketmap")
    login = http.client.HTTPConnection("127.0.0.1", 4001, timeout=20)
    for n in range(QUESTIONS):
        q = about(R.choice(ADDRESSES), name=R.choice(NAMES), user=R.choice(USERS),
                  sender=R.choice(SENDERS), recipient=R.choice(RECIPIENTS), state=R.choice(STATES),
                  context=R.choice(CONTEXTS), port=R.choice([*PORTS, "25", "2525", "", "0"]))
        if R.random() < .5:  # one that gets as far as the recipient more often than not
            q.update(state="RCPT", context="relay", sender=R.choice([q["sender"], "a@b.example"]),
                     port=R.choice([*PORTS]))
        compare("policy %s" % q, policy_answer(p, q), ask_policy(policy, q, n), p)
        if n % 50 == 0 and q["port"] in PORTS and q["port"] != "025":
            ask_why(p, q)
    for a in ADDRESSES:
        for name, want in table_answers(p, a).items():
            want = "NOTFOUND " if "%" in a else want
            compare("%s %s" % (name, a), want, ask_table(table, name, a), p)
    for _ in range(QUESTIONS // 4):
        a = R.choice([a for a in ADDRESSES if "%" not in a])
        what = (a, R.choice(["smtp", "submission", "SMTP", "imap", "lmtp", ""]),
                R.choice(USERS + ["limited"]), R.choice(["0", "0", "25", "587", "465", "143", "99"]))
        login.request("POST", "/?command=allow", json.dumps(
            dict(zip(("remote", "protocol", "login", "lport"), what), session_id="x", tls=False)))
        compare("login %s %s %s %s" % what, login_answer(p, *what),
                json.loads(login.getresponse().read())["status"], p)


def main():
    for name, lines in LISTS.items():
        with open("%s/%s.lst" % (DIR, name), "w") as f:
            f.write("\n".join(lines) + "\n")
    for kind, entries in (("permit", PERMITTED), ("ban", BANNED)):
        for a in entries:
            if command(kind, "add", a, "--ttl", "1h").returncode:
                sys.exit("no %s for %s" % (kind, a))
    for _ in range(POLICIES):
        one_policy()
    print("%s: %s" % ("wrong" if wrong else "fine", ", ".join("%s %d" % s for s in sorted(seen.items()))))
    return wrong > 0


sys.exit(main())
