"""Packets in the eyes of scapy, which shares no code with the library.

    packets_of_scapy.py build SEED COUNT    makes random frames
    packets_of_scapy.py read                reads frames, one a line in hexadecimal

Prints a line of JSON for each: its bytes, its fields under the names of tapfd/packets, and the bytes that scapy builds
from them after forgetting lengths and checksums.
"""
import json
import logging
import random
import sys

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.layers.dhcp import BOOTP, DHCP  # noqa: E402
from scapy.layers.inet import ICMP, IP, IPerror, IPOption, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import *  # noqa: E402,F403
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether  # noqa: E402
from scapy.packet import Padding, Raw  # noqa: E402

ICMP_TYPES = {0: "echo-reply", 3: "destination-unreachable", 5: "redirect", 8: "echo-request",
              11: "time-exceeded", 12: "parameter-problem", 13: "timestamp-request", 14: "timestamp-reply"}
ICMPV6_TYPES = {1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem",
                128: "echo-request", 129: "echo-reply", 130: "multicast-listener-query",
                131: "multicast-listener-report", 132: "multicast-listener-done", 133: "router-solicitation",
                134: "router-advertisement", 135: "neighbor-solicitation", 136: "neighbor-advertisement",
                137: "redirect"}
ROUTING = (IPv6ExtHdrRouting, IPv6ExtHdrSegmentRouting)
TCP_FLAGS = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae"]
DHCP_TYPES = {1: "discover", 2: "offer", 3: "request", 4: "decline", 5: "ack", 6: "nak", 7: "release", 8: "inform"}


def layers(packet):
    """The headers up to the payload; not those of a quoted packet."""
    while packet and not isinstance(packet, (IPerror, IPerror6, Raw, Padding)):
        yield packet
        packet = packet.payload


def address(text):
    """Scapy's own spelling of an IPv6 address is the C library's, as ours is, but for `::1.2.3.4`."""
    import ipaddress
    found = ipaddress.ip_address(text)
    mapped = getattr(found, "ipv4_mapped", None)
    return f"::ffff:{mapped}" if mapped else str(found)


def fields(frame):
    out = {}
    vlans = extensions = 0
    for layer in layers(frame):
        if isinstance(layer, Ether):
            out.update({"ethernet.destination": layer.dst, "ethernet.source": layer.src, "ethernet.etherType": layer.type})
        elif isinstance(layer, (Dot1Q, Dot1AD)):
            at = f"vlans[{vlans}]."
            vlans += 1
            out.update({at + "priority": layer.prio, at + "dropEligible": bool(layer.id), at + "id": layer.vlan,
                        at + "etherType": layer.type})
        elif isinstance(layer, ARP):
            out.update({"arp.operation": {1: "request", 2: "reply"}.get(layer.op, layer.op), "arp.senderMac": layer.hwsrc,
                        "arp.senderAddress": layer.psrc, "arp.targetMac": layer.hwdst, "arp.targetAddress": layer.pdst,
                        "arp.hardwareType": layer.hwtype, "arp.protocolType": layer.ptype})
        elif isinstance(layer, IP):
            out.update({"ipv4.headerLength": layer.ihl * 4, "ipv4.dscp": layer.tos >> 2, "ipv4.ecn": layer.tos & 3,
                        "ipv4.totalLength": layer.len, "ipv4.identification": layer.id,
                        "ipv4.dontFragment": bool(layer.flags.DF), "ipv4.moreFragments": bool(layer.flags.MF),
                        "ipv4.fragmentOffset": layer.frag * 8, "ipv4.ttl": layer.ttl, "ipv4.protocol": layer.proto,
                        "ipv4.checksum": layer.chksum, "ipv4.source": layer.src, "ipv4.destination": layer.dst})
        elif isinstance(layer, IPv6):
            out.update({"ipv6.dscp": layer.tc >> 2, "ipv6.ecn": layer.tc & 3, "ipv6.flowLabel": layer.fl,
                        "ipv6.payloadLength": layer.plen, "ipv6.nextHeader": layer.nh, "ipv6.hopLimit": layer.hlim,
                        "ipv6.source": address(layer.src), "ipv6.destination": address(layer.dst)})
        elif isinstance(layer, (IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, *ROUTING)):
            at = f"ipv6.extensions[{extensions}]."
            extensions += 1
            out[at + "nextHeader"] = layer.nh
            if isinstance(layer, IPv6ExtHdrFragment):
                out.update({at + "type": "fragment", at + "fragmentOffset": layer.offset * 8,
                            at + "moreFragments": bool(layer.m), at + "identification": layer.id})
            elif isinstance(layer, ROUTING):
                out.update({at + "type": "routing", at + "routingType": layer.type, at + "segmentsLeft": layer.segleft})
            else:
                hop = isinstance(layer, IPv6ExtHdrHopByHop)
                out[at + "type"] = "hop-by-hop" if hop else "destination-options"
        elif isinstance(layer, UDP):
            out.update({"udp.sourcePort": layer.sport, "udp.destinationPort": layer.dport, "udp.length": layer.len,
                        "udp.checksum": layer.chksum})
        elif isinstance(layer, TCP):
            out.update(tcp_fields(layer))
        elif isinstance(layer, ICMP):
            out.update(icmp_fields(layer))
        elif isinstance(layer, BOOTP):
            out.update(bootp_fields(layer))
        elif isinstance(layer, DHCP):
            out.update(dhcp_fields(layer))
        elif layer.name.startswith(("ICMPv6", "MLD")) and hasattr(layer, "cksum"):
            out.update(icmpv6_fields(layer))
    return out


def tcp_fields(tcp):
    out = {"tcp.sourcePort": tcp.sport, "tcp.destinationPort": tcp.dport, "tcp.sequence": tcp.seq,
           "tcp.acknowledgment": tcp.ack, "tcp.headerLength": tcp.dataofs * 4, "tcp.window": tcp.window,
           "tcp.checksum": tcp.chksum, "tcp.urgentPointer": tcp.urgptr}
    for place, name in enumerate(TCP_FLAGS):
        out["tcp.flags." + name] = bool(int(tcp.flags) >> place & 1)
    for place, (name, value) in enumerate(tcp.options):
        at = f"tcp.options[{place}]."
        kinds = {"MSS": "mss", "NOP": "nop", "EOL": "end", "WScale": "window-scale", "SAckOK": "sack-permitted",
                 "Timestamp": "timestamps", "SAck": "sack"}
        out[at + "type"] = kinds.get(name, name)
        if name == "MSS":
            out[at + "value"] = value
        elif name == "WScale":
            out[at + "shift"] = value
        elif name == "Timestamp":
            out[at + "value"], out[at + "echo"] = value
        elif name == "SAck":
            for block in range(len(value) // 2):
                out[f"{at}blocks[{block}].left"] = value[block * 2]
                out[f"{at}blocks[{block}].right"] = value[block * 2 + 1]
    return out


def icmp_fields(icmp):
    kind = ICMP_TYPES.get(icmp.type, icmp.type)
    out = {"icmp.type": kind, "icmp.code": icmp.code, "icmp.checksum": icmp.chksum}
    if icmp.type in (0, 8, 13, 14):
        out.update({"icmp.identifier": icmp.id, "icmp.sequence": icmp.seq})
    if icmp.type in (13, 14):
        out.update({"icmp.originate": icmp.ts_ori, "icmp.receive": icmp.ts_rx, "icmp.transmit": icmp.ts_tx})
    if icmp.type == 5:
        out["icmp.gateway"] = icmp.gw
    if icmp.type == 12:
        out["icmp.pointer"] = icmp.ptr
    if icmp.type == 3 and icmp.code == 4:
        out["icmp.mtu"] = icmp.nexthopmtu
    return out


def icmpv6_fields(message):
    at = "icmpv6."
    out = {at + "type": ICMPV6_TYPES.get(message.type, message.type), at + "code": message.code,
           at + "checksum": message.cksum}
    kind = message.type
    if kind in (128, 129):
        out.update({at + "identifier": message.id, at + "sequence": message.seq})
    elif kind == 2:
        out[at + "mtu"] = message.mtu
    elif kind == 4:
        out[at + "pointer"] = message.ptr
    elif kind in (130, 131, 132):
        out.update({at + "maximumResponseDelay": message.mrd, at + "multicastAddress": address(message.mladdr)})
    elif kind == 134:
        out.update({at + "hopLimit": message.chlim, at + "managed": bool(message.M),
                    at + "otherConfiguration": bool(message.O), at + "homeAgent": bool(message.H),
                    at + "preference": ["medium", "high", "reserved", "low"][message.prf],
                    at + "routerLifetime": message.routerlifetime, at + "reachableTime": message.reachabletime,
                    at + "retransTimer": message.retranstimer})
    elif kind in (135, 136, 137):
        out[at + "target"] = address(message.tgt)
        if kind == 136:
            out.update({at + "router": bool(message.R), at + "solicited": bool(message.S), at + "override": bool(message.O)})
        if kind == 137:
            out[at + "destination"] = address(message.dst)
    if kind in range(133, 138):
        out.update(nd_options(message.payload))
    return out


def nd_options(option):
    out = {}
    place = 0
    while option and hasattr(option, "len"):
        at = f"icmpv6.options[{place}]."
        place += 1
        if option.type in (1, 2):
            out.update({at + "type": ["source", "target"][option.type - 1] + "-link-layer-address", at + "mac": option.lladdr})
        elif option.type == 3:
            out.update({at + "type": "prefix-information", at + "prefixLength": option.prefixlen,
                        at + "onLink": bool(option.L), at + "autonomous": bool(option.A),
                        at + "validLifetime": option.validlifetime, at + "preferredLifetime": option.preferredlifetime,
                        at + "prefix": address(option.prefix)})
        elif option.type == 5:
            out.update({at + "type": "mtu", at + "mtu": option.mtu})
        elif option.type == 25:
            out.update({at + "type": "recursive-dns-server", at + "lifetime": option.lifetime})
            for member, dns in enumerate(option.dns):
                out[f"{at}addresses[{member}]"] = address(dns)
        option = option.payload
    return out


def bootp_fields(bootp):
    return {"dhcp.operation": {1: "request", 2: "reply"}.get(bootp.op, bootp.op), "dhcp.hardwareType": bootp.htype,
            "dhcp.hardwareLength": bootp.hlen, "dhcp.hops": bootp.hops, "dhcp.transactionId": bootp.xid,
            "dhcp.seconds": bootp.secs, "dhcp.broadcast": bool(int(bootp.flags) & 0x8000),
            "dhcp.clientAddress": bootp.ciaddr, "dhcp.yourAddress": bootp.yiaddr, "dhcp.serverAddress": bootp.siaddr,
            "dhcp.relayAddress": bootp.giaddr, "dhcp.clientMac": bootp.chaddr[:6].hex(":"),
            "dhcp.serverName": bootp.sname.split(b"\0")[0].decode("latin1"),
            "dhcp.bootFile": bootp.file.split(b"\0")[0].decode("latin1")}


def dhcp_fields(dhcp):
    out = {}
    names = {"message-type": ("message-type", "value"), "subnet_mask": ("subnet-mask", "address"),
             "hostname": ("host-name", "text"), "requested_addr": ("requested-address", "address"),
             "server_id": ("server-identifier", "address"), "lease_time": ("lease-time", "seconds"),
             "renewal_time": ("renewal-time", "seconds"), "max_dhcp_size": ("maximum-message-size", "bytes"),
             "domain": ("domain-name", "text")}
    for place, option in enumerate(dhcp.options):
        at = f"dhcp.options[{place}]."
        if isinstance(option, str):
            out[at + "type"] = option
        elif option[0] == "router":
            out.update({at + "type": "routers", **{f"{at}addresses[{n}]": a for n, a in enumerate(option[1:])}})
        elif option[0] == "name_server":
            out.update({at + "type": "dns-servers", **{f"{at}addresses[{n}]": a for n, a in enumerate(option[1:])}})
        elif option[0] == "param_req_list":
            codes = option[1] if isinstance(option[1], (list, bytes)) else option[1:]
            out.update({at + "type": "parameter-request-list", **{f"{at}codes[{n}]": c for n, c in enumerate(codes)}})
        elif option[0] in names:
            kind, field = names[option[0]]
            value = option[1]
            out[at + "type"] = kind
            if kind == "message-type":
                value = DHCP_TYPES.get(value, value)
                out["dhcp.messageType"] = value
            out[at + field] = value.decode("latin1") if isinstance(value, bytes) else value
    return out


def forget(frame):
    """The same, with every length and checksum left to scapy."""
    for layer in layers(frame):
        for name in ("chksum", "cksum", "len", "plen", "ihl", "dataofs"):
            known = isinstance(layer, (IP, IPv6, UDP, TCP, ICMP)) or hasattr(layer, "cksum")
            if known and name in layer.fields:
                del layer.fields[name]
    return bytes(frame)


def tell(raw):
    print(json.dumps({"bytes": raw.hex(), "fields": fields(Ether(raw)), "rebuilt": forget(Ether(raw)).hex()}))


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def number(self, bits):
        return self.random.choice([0, (1 << bits) - 1, self.random.getrandbits(bits), self.random.getrandbits(bits)])

    def mac(self):
        return self.random.randbytes(6).hex(":")

    def ip(self):
        return ".".join(str(self.number(8)) for _ in range(4))

    def ip6(self):
        import ipaddress
        packed = b"".join(self.random.choice([b"\0\0", self.random.randbytes(2)]) for _ in range(8))
        return str(ipaddress.ip_address(packed))

    def data(self, longest=64):
        return self.random.randbytes(self.random.randrange(longest))

    def frame(self):
        pick = self.random.choice
        ether = Ether(dst=self.mac(), src=self.mac())
        for kind in pick([[], [], [Dot1Q], [Dot1AD, Dot1Q]]):
            ether = ether / kind(prio=self.number(3), id=self.number(1), vlan=self.number(12))
        built = bytes(ether / pick([self.arp, self.over_ipv4, self.over_ipv4, self.over_ipv6, self.over_ipv6])())
        # A network card pads what is short.
        return built.ljust(60, b"\0") if pick([True, False]) else built

    def arp(self):
        op = self.random.choice([1, 2, 3, 65535])
        return ARP(op=op, hwsrc=self.mac(), psrc=self.ip(), hwdst=self.mac(), pdst=self.ip())

    def ipv4(self):
        options = self.random.choice([[], [], [IPOption(self.random.choice([b"\x94\x04\x00\x00", b"\x01", b"\x07\x07\x04" + b"\0" * 4]))]])
        return IP(src=self.ip(), dst=self.ip(), tos=self.number(8), id=self.number(16), ttl=self.number(8), options=options,
                  flags=self.random.choice([0, "DF"]))

    def over_ipv4(self):
        ip = self.ipv4()
        kind = self.random.choice(["udp", "tcp", "icmp", "dhcp", "fragment", "other"])
        if kind == "dhcp":
            return ip / self.dhcp()
        if kind == "fragment":
            ip.frag, ip.flags, ip.proto = self.random.randrange(1, 8191), self.random.choice([0, "MF"]), 17
            return ip / Raw(self.random.randbytes(8 * self.random.randrange(1, 9)))
        if kind == "other":
            ip.proto = self.random.choice([47, 89, 253])
            return ip / Raw(self.data())
        return ip / getattr(self, kind)()

    def over_ipv6(self):
        ip = IPv6(src=self.ip6(), dst=self.ip6(), tc=self.number(8), fl=self.number(20), hlim=self.number(8))
        for kind in self.random.choice([[], [], ["hop"], ["routing"], ["destination"], ["fragment"], ["hop", "routing", "destination"]]):
            if kind == "hop":
                ip = ip / IPv6ExtHdrHopByHop(options=[RouterAlert(value=self.number(16))])
            elif kind == "destination":
                ip = ip / IPv6ExtHdrDestOpt(options=[PadN(optdata=self.data(20))])
            elif kind == "routing":
                hops = [self.ip6() for _ in range(self.random.randrange(1, 4))]
                ip = ip / IPv6ExtHdrRouting(type=0, addresses=hops, segleft=self.random.choice([0, len(hops)]))
            else:
                offset = self.random.choice([0, self.random.randrange(1, 8191)])
                ip = ip / IPv6ExtHdrFragment(offset=offset, m=self.number(1), id=self.number(32))
                if offset:
                    ip[IPv6ExtHdrFragment].nh = 17
                    return ip / Raw(self.random.randbytes(16))
        return ip / getattr(self, self.random.choice(["udp", "tcp", "icmpv6", "icmpv6", "icmpv6"]))()

    def port(self):
        # At a known one scapy and tshark would read the payload as well.
        return self.random.randrange(61000, 65536)

    def udp(self):
        return UDP(sport=self.port(), dport=self.port()) / Raw(self.data())

    def tcp(self):
        choices = [[], [("MSS", self.number(16)), ("SAckOK", b""), ("Timestamp", (self.number(32), self.number(32))), ("NOP", None), ("WScale", self.random.randrange(15))],
                   [("NOP", None), ("NOP", None), ("SAck", tuple(self.number(32) for _ in range(2 * self.random.randrange(1, 4))))],
                   [("MSS", self.number(16)), ("EOL", None)]]
        return TCP(sport=self.port(), dport=self.port(), seq=self.number(32),
                   ack=self.number(32), flags=self.number(9), window=self.number(16), urgptr=self.number(16),
                   options=self.random.choice(choices)) / Raw(self.data())

    def icmp(self):
        kind = self.random.choice([0, 3, 5, 8, 11, 12, 13, 14])
        icmp = ICMP(type=kind, code=self.random.randrange(4))
        if kind in (0, 8):
            icmp.id, icmp.seq = self.number(16), self.number(16)
            return icmp / Raw(self.data())
        if kind in (13, 14):
            icmp.id, icmp.seq, icmp.ts_ori, icmp.ts_rx, icmp.ts_tx = (self.number(16), self.number(16), self.number(32), self.number(32), self.number(32))
            return icmp
        if kind == 5:
            icmp.gw = self.ip()
        if kind == 12:
            icmp.ptr = self.number(8)
        if kind == 3:
            icmp.code = 4
            icmp.nexthopmtu = self.number(16)
        return icmp / self.ipv4() / self.udp()

    def icmpv6(self):
        kind = self.random.randrange(14)
        quoted = IPv6(src=self.ip6(), dst=self.ip6()) / self.udp()
        lladdr = self.mac()
        source, target = ICMPv6NDOptSrcLLAddr(lladdr=lladdr), ICMPv6NDOptDstLLAddr(lladdr=lladdr)
        prefix = ICMPv6NDOptPrefixInfo(prefixlen=self.random.randrange(129), L=self.number(1), A=self.number(1), prefix=self.ip6(),
                                       validlifetime=self.number(32), preferredlifetime=self.number(32))
        dns = ICMPv6NDOptRDNSS(lifetime=self.number(32), dns=[self.ip6() for _ in range(self.random.randrange(1, 4))])
        makers = [
            lambda: ICMPv6EchoRequest(id=self.number(16), seq=self.number(16), data=self.data()),
            lambda: ICMPv6EchoReply(id=self.number(16), seq=self.number(16), data=self.data()),
            lambda: ICMPv6DestUnreach(code=self.random.randrange(6)) / quoted,
            lambda: ICMPv6PacketTooBig(mtu=self.number(32)) / quoted,
            lambda: ICMPv6TimeExceeded(code=self.number(1)) / quoted,
            lambda: ICMPv6ParamProblem(code=self.number(1), ptr=self.number(32)) / quoted,
            lambda: ICMPv6ND_RS() / source,
            lambda: ICMPv6ND_RA(chlim=self.number(8), M=self.number(1), O=self.number(1), H=self.number(1), prf=self.number(2),
                                routerlifetime=self.number(16), reachabletime=self.number(32), retranstimer=self.number(32))
            / source / ICMPv6NDOptMTU(mtu=self.number(32)) / prefix / dns,
            lambda: ICMPv6ND_NS(tgt=self.ip6()) / source,
            lambda: ICMPv6ND_NA(tgt=self.ip6(), R=self.number(1), S=self.number(1), O=self.number(1)) / target,
            lambda: ICMPv6ND_Redirect(tgt=self.ip6(), dst=self.ip6()) / target,
            lambda: ICMPv6MLQuery(mrd=self.number(16), mladdr=self.ip6()),
            lambda: ICMPv6MLReport(mladdr=self.ip6()),
            lambda: ICMPv6MLDone(mladdr=self.ip6()),
        ]
        return makers[kind]()

    def dhcp(self):
        op = self.random.choice([1, 2])
        bootp = BOOTP(op=op, xid=self.number(32), secs=self.number(16), flags=self.random.choice([0, 0x8000]), ciaddr=self.ip(),
                      yiaddr=self.ip(), siaddr=self.ip(), giaddr=self.ip(), chaddr=self.random.randbytes(6),
                      sname=self.random.choice([b"", b"server"]), file=self.random.choice([b"", b"boot/file"]))
        options = [("message-type", self.random.randrange(1, 9)), ("server_id", self.ip()), ("lease_time", self.number(32)),
                   ("router", self.ip(), self.ip()), ("name_server", self.ip()), ("subnet_mask", self.ip()),
                   ("hostname", b"guest"), ("max_dhcp_size", self.number(16)), ("requested_addr", self.ip()),
                   ("param_req_list", [1, 3, 6, 15])]
        chosen = [options[0], *self.random.sample(options[1:], self.random.randrange(8)), "end"]
        ports = {"sport": 68, "dport": 67} if op == 1 else {"sport": 67, "dport": 68}
        return UDP(**ports) / bootp / DHCP(options=chosen)


if sys.argv[1] == "build":
    maker = Maker(int(sys.argv[2]))
    for _ in range(int(sys.argv[3])):
        tell(maker.frame())
else:
    for line in sys.stdin:
        tell(bytes.fromhex(line))
