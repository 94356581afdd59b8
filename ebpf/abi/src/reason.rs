//! Every way in which a packet's journey can end: verdict, counter, metric label and sentence in one table.

/// What a reason means for the packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Not translated: the kernel goes on as if tidegate were not there.
    Pass,
    /// Translated and sent on.
    Forward,
    /// Answered by us: a reset or an ICMP error.
    Reject,
    /// Dropped.
    Drop,
}

macro_rules! reasons {
    ($($name:ident = $number:literal, $kind:ident, $label:literal, $sentence:literal;)+) => {
        /// How a packet's journey ended. The number indexes the `counters` map.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Reason {
            $(#[doc = $sentence] $name = $number,)+
        }

        impl Reason {
            /// All reasons, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// What the reason means for the packet.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)+ }
            }

            /// Metric label: stable, lower case, underscores.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }

            /// One sentence for an operator.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)+ }
            }
        }
    };
}

reasons! {
    NotIp = 0, Pass, "not_ip", "Neither IPv4 nor IPv6 (ARP, for example).";
    NotTransport = 1, Pass, "not_transport", "IP, but neither TCP, UDP nor SCTP, and no ICMP error of ours.";
    NotService = 2, Pass, "not_service", "No Service owns the destination.";
    Fragment = 3, Pass, "fragment", "A fragment, which carries no ports; left to the kernel.";
    TooManyHeaders = 4, Pass, "too_many_headers", "More VLAN tags or IPv6 extension headers than are walked.";
    NextStage = 5, Pass, "next_stage", "XDP leaves the packet to the tc program of the same device.";
    KnownFlow = 6, Forward, "known_flow", "Translated by an existing flow record, from client to backend.";
    KnownReply = 7, Forward, "known_reply", "Translated back by an existing flow record, from backend to client.";
    NewFlow = 8, Forward, "new_flow", "First packet of a flow: a backend was chosen and the flow recorded.";
    NoEndpoints = 9, Reject, "no_endpoints", "The Service has no usable endpoint (rule 2.4.1).";
    UnknownPort = 10, Reject, "unknown_port", "The clusterIP exists but has no such port (rule 2.4.9).";
    MidStream = 11, Reject, "mid_stream", "A TCP segment to a Service that belongs to no known flow.";
    TtlExceeded = 12, Reject, "ttl_exceeded", "Time to live or hop limit ran out at this node.";
    TooBig = 13, Reject, "too_big", "Larger than the next link's MTU and must not be fragmented.";
    Truncated = 14, Drop, "truncated", "Headers or the stated length reach beyond the packet.";
    Malformed = 15, Drop, "malformed", "A header field has a value that no sender may use.";
    NoLocalEndpoint = 16, Drop, "no_local_endpoint", "Traffic policy Local, and no endpoint on this node (rule 2.4.2).";
    NotOwned = 17, Drop, "not_owned", "An address of the service range that no Service owns (rule 2.4.10).";
    ExternalClusterIp = 18, Drop, "external_cluster_ip", "A client outside the cluster dialled a clusterIP; see --external-clusterip.";
    BackendGone = 19, Drop, "backend_gone", "The chosen backend vanished between two lookups; the client tries again.";
    NoMasqueradePort = 20, Drop, "no_masquerade_port", "Every masquerade port tried for this backend is taken (rule 3.2.3).";
    NoMasqueradeAddress = 21, Drop, "no_masquerade_address", "The node has no address of this family to masquerade to.";
    NoRoute = 22, Reject, "no_route", "No route leads to where the packet should go; its sender is told.";
    FlowTableFull = 23, Drop, "flow_table_full", "A new flow could not be recorded.";
    RejectFailed = 24, Drop, "reject_failed", "The packet should be answered, but an answer could not be built.";
    WriteFailed = 25, Drop, "write_failed", "The kernel refused a write into the packet.";
    MidStreamReset = 26, Drop, "mid_stream_reset", "A TCP reset to a Service that belongs to no known flow.";
    SocketTranslated = 27, Forward, "socket_translated", "A host process's connect or send was given a backend.";
    SocketRefused = 28, Reject, "socket_refused", "A host process's connect or send found no usable endpoint.";
    Untranslatable = 29, Drop, "untranslatable", "To a service address, but nothing that can be translated: it must not wander off.";
    SourceRange = 30, Drop, "source_range", "The client is in none of the Service's source ranges (rule 3.6.2).";
    IcmpError = 31, Forward, "icmp_error", "An ICMP error about a translated packet, translated back (rules 5.5.1 and 5.5.3).";
    PingAnswered = 32, Reject, "ping_answered", "An ICMP echo request to a service address, answered here.";
    RateLimited = 33, Drop, "rate_limited", "Not answered: there were too many answers in this moment already.";
    FragmentHeld = 34, Drop, "fragment_held", "A fragment that came before the first one of its datagram; it is sent on after that one.";
    FragmentLost = 35, Drop, "fragment_lost", "A fragment whose first one was refused, or has not come, and that could not be held.";
    Rare = 36, Pass, "rare", "ICMP or SCTP, and the program for such packets is not there.";
}

/// Entries of the `counters` map.
pub const COUNT: usize = Reason::ALL.len();

impl Reason {
    /// The reason with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

// The table is dense and sorted: the number is the index.
const _: () = {
    let mut index = 0;
    while index < COUNT {
        assert!(Reason::ALL[index] as usize == index);
        index += 1;
    }
};
