//! The names of a frame's bytes. Lenient: a broken frame is named as far as it goes, so it does
//! not use the oracle's strict dissection.

use std::ops::Range;

type Field = (String, Range<usize>);

/// Names and sizes, in wire order.
type Table = &'static [(&'static str, usize)];

const IPV4: Table = &[
    ("version and header length", 1),
    ("type of service", 1),
    ("total length", 2),
    ("identification", 2),
    ("flags and fragment offset", 2),
    ("time to live", 1),
    ("protocol", 1),
    ("header checksum", 2),
    ("source address", 4),
    ("destination address", 4),
];
const IPV6: Table = &[
    ("version, traffic class and flow label", 4),
    ("payload length", 2),
    ("next header", 1),
    ("hop limit", 1),
    ("source address", 16),
    ("destination address", 16),
];
const TCP: Table = &[
    ("source port", 2),
    ("destination port", 2),
    ("sequence number", 4),
    ("acknowledgement number", 4),
    ("data offset", 1),
    ("flags", 1),
    ("window", 2),
    ("checksum", 2),
    ("urgent pointer", 2),
];
const UDP: Table = &[
    ("source port", 2),
    ("destination port", 2),
    ("length", 2),
    ("checksum", 2),
];
const SCTP: Table = &[
    ("source port", 2),
    ("destination port", 2),
    ("verification tag", 4),
    ("checksum", 4),
];
const SCTP_CHUNK: Table = &[("type", 1), ("flags", 1), ("length", 2)];
const ICMP: Table = &[
    ("type", 1),
    ("code", 1),
    ("checksum", 2),
    ("rest of header", 4),
];

/// Every byte of `frame`, under a name.
pub(super) fn fields(frame: &[u8]) -> Vec<Field> {
    let mut walk = Walk {
        frame,
        at: 0,
        prefix: String::new(),
        fields: Vec::new(),
    };
    walk.link();
    walk.take("rest", frame.len() - walk.at);
    walk.fields
}

struct Walk<'a> {
    frame: &'a [u8],
    at: usize,
    prefix: String,
    fields: Vec<Field>,
}

impl Walk<'_> {
    fn take(&mut self, name: &str, length: usize) {
        let end = (self.at + length).min(self.frame.len());
        if end > self.at {
            self.fields
                .push((format!("{}{name}", self.prefix), self.at..end));
        }
        self.at = end;
    }

    fn table(&mut self, header: &str, table: Table) {
        for (name, length) in table {
            self.take(&format!("{header} {name}"), *length);
        }
    }

    /// A byte from the start of what is walked next; zero behind the end.
    fn peek(&self, ahead: usize) -> u8 {
        self.frame.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn peek_word(&self, ahead: usize) -> u16 {
        u16::from_be_bytes([self.peek(ahead), self.peek(ahead + 1)])
    }

    fn link(&mut self) {
        self.take("Ethernet destination", 6);
        self.take("Ethernet source", 6);
        while matches!(self.peek_word(0), 0x8100 | 0x88a8) {
            self.take("VLAN tag", 4);
        }
        let ethertype = self.peek_word(0);
        self.take("EtherType", 2);
        match ethertype {
            0x0800 => self.ipv4(),
            0x86dd => self.ipv6(),
            _ => {}
        }
    }

    fn ipv4(&mut self) {
        let options = usize::from(self.peek(0) & 15).saturating_sub(5) * 4;
        let later = self.peek_word(6) & 0x1fff != 0;
        let end = self.at + usize::from(self.peek_word(2));
        let protocol = self.peek(9);
        self.table("IPv4", IPV4);
        self.take("IPv4 options", options);
        self.transport(if later { None } else { Some(protocol) }, end);
    }

    fn ipv6(&mut self) {
        let end = self.at + 40 + usize::from(self.peek_word(4));
        let mut next = self.peek(6);
        let mut later = false;
        self.table("IPv6", IPV6);
        while matches!(next, 0 | 43 | 44 | 60) && !later && self.at < self.frame.len() {
            let number = next;
            let length = if number == 44 {
                8
            } else {
                8 + usize::from(self.peek(1)) * 8
            };
            later = number == 44 && self.peek_word(2) & 0xfff8 != 0;
            next = self.peek(0);
            self.take(&format!("IPv6 extension header {number}"), length);
        }
        self.transport(if later { None } else { Some(next) }, end);
    }

    fn transport(&mut self, protocol: Option<u8>, end: usize) {
        match protocol {
            Some(6) => {
                let options = usize::from(self.peek(12) >> 4).saturating_sub(5) * 4;
                self.table("TCP", TCP);
                self.take("TCP options", options);
                self.payload("TCP payload", end);
            }
            Some(17) => {
                self.table("UDP", UDP);
                self.payload("UDP payload", end);
            }
            Some(132) => {
                self.table("SCTP", SCTP);
                self.chunks(end);
            }
            Some(1) => self.icmp("ICMP", matches!(self.peek(0), 3 | 4 | 5 | 11 | 12), end),
            Some(58) => self.icmp("ICMPv6", self.peek(0) < 128, end),
            _ => self.payload("IP payload", end),
        }
    }

    fn chunks(&mut self, end: usize) {
        while self.at + 4 <= end.min(self.frame.len()) {
            let value = usize::from(self.peek_word(2)).saturating_sub(4);
            self.table("SCTP chunk", SCTP_CHUNK);
            self.payload(
                "SCTP chunk value",
                end.min(self.at + value.next_multiple_of(4)),
            );
        }
        self.payload("SCTP payload", end);
    }

    fn icmp(&mut self, name: &str, error: bool, end: usize) {
        self.table(name, ICMP);
        // One level: an error never answers an error, so a quote in a quote is only data.
        match (error && self.prefix.is_empty(), self.peek(0) >> 4) {
            (true, 4) => self.quote(Self::ipv4),
            (true, 6) => self.quote(Self::ipv6),
            _ => self.payload(&format!("{name} payload"), end),
        }
    }

    fn quote(&mut self, walk: fn(&mut Self)) {
        self.prefix = "quoted ".to_string();
        walk(self);
        self.prefix.clear();
    }

    /// Up to the packet's own end; what follows is padding.
    fn payload(&mut self, name: &str, end: usize) {
        self.take(name, end.saturating_sub(self.at));
    }
}
