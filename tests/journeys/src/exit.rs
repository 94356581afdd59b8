//! What a test may demand of a hop's end. Every comparison is with a frame that the oracle made.

use std::net::SocketAddr;

use tidegate_abi::{Reason, reason::Kind};
use tidegate_datapath::{Door, Route};
use tidegate_frames::{
    explain_difference, hexdump,
    oracle::{
        Related, Rewrite,
        dissect::{Piece, dissect},
        same_packet, translate, translate_fragment, translate_icmp_error,
        translate_preserving_error, verify,
    },
};

use crate::{
    machine::{Exit, Program, code},
    textbook,
};

/// Where a translated packet goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Out {
    /// Into the pod behind this device.
    Pod(u32),
    /// Out of this device, to whom the routing table says.
    Link(u32),
    /// To the host's own stack.
    Stack,
}

/// Whether XDP leaves the frame to the second stage without a look at its flow.
fn is_rare(frame: &[u8]) -> bool {
    dissect(frame)
        .is_ok_and(|anatomy| anatomy.piece != Piece::Whole || !matches!(anatomy.protocol, 6 | 17))
}

#[track_caller]
fn must_equal(exit: &Exit, expected: &[u8], what: &str) {
    assert!(
        same_packet(expected, &exit.frame),
        "{}: {what}: not the frame that the oracle expects\n{}went in:\n{}",
        exit.who,
        explain_difference(expected, &exit.frame),
        hexdump(&exit.sent)
    );
}

impl Exit {
    /// The address and port that the frame now comes from.
    #[track_caller]
    pub fn src(&self) -> SocketAddr {
        let anatomy = dissect(&self.frame).unwrap_or_else(|error| panic!("{}: {error}", self.who));
        let ports = &self.frame[anatomy.transport..];
        SocketAddr::new(anatomy.src, u16::from_be_bytes([ports[0], ports[1]]))
    }

    /// The address and port that the frame now goes to.
    #[track_caller]
    pub fn dst(&self) -> SocketAddr {
        let anatomy = dissect(&self.frame).unwrap_or_else(|error| panic!("{}: {error}", self.who));
        let ports = &self.frame[anatomy.transport..];
        SocketAddr::new(anatomy.dst, u16::from_be_bytes([ports[2], ports[3]]))
    }

    /// Sent by the host, and none of ours: not even counted, unless another program had to look at it.
    #[track_caller]
    pub fn is_left_alone(&self) {
        let looked_at = is_rare(&self.sent)
            && self
                .reason
                .is_some_and(|reason| reason.kind() == Kind::Pass);
        let reason = self.reason.filter(|_| looked_at);
        self.ends(reason, code::NEXT, "left alone");
        assert_eq!(
            self.sent, self.frame,
            "{}: a frame of others is not touched",
            self.who
        );
    }

    /// Left to the kernel, byte for byte as it came.
    #[track_caller]
    pub fn is_passed(&self, reason: Reason) {
        self.ends(Some(reason), code::NEXT, "passed on");
        assert_eq!(
            self.sent, self.frame,
            "{}: a frame that is passed on is not touched",
            self.who
        );
    }

    /// Dropped, by whichever stage, and not written to before.
    #[track_caller]
    pub fn is_dropped(&self, reason: Reason) {
        let code = if self.program == Program::XdpUplink {
            code::XDP_DROP
        } else {
            code::SHOT
        };
        self.ends(Some(reason), code, "dropped");
        assert_eq!(self.sent, self.frame, "{}: plan, then write", self.who);
    }

    /// Turned into its answer, and sent back.
    #[track_caller]
    pub fn is_answered(&self, reason: Reason, expected: &[u8]) {
        assert!(
            !expected.is_empty(),
            "{}: the oracle knows no answer",
            self.who
        );
        self.ends(Some(reason), code::REDIRECT, "answered");
        must_equal(self, expected, "the answer");
        if let Err(error) = verify(&self.frame) {
            panic!("{}: the answer is wrong: {error}", self.who);
        }
        assert!(
            self.door.is_none_or(|door| door == Door::Back),
            "{}: {:?}",
            self.who,
            self.door
        );
    }

    /// Translated and sent on.
    #[track_caller]
    pub fn is_translated(&self, reason: Reason, src: SocketAddr, dst: SocketAddr, out: Out) {
        let macs = match textbook::network().route(dst.ip(), 0) {
            Route::Via { macs, .. } => macs.map(|macs| macs.as_chunks::<6>().0.to_vec()),
            _ => None,
        };
        let tagged = dissect(&self.sent).is_ok_and(|anatomy| !anatomy.tags.is_empty());
        let rare = is_rare(&self.sent);
        let by_xdp =
            self.staged && out == Out::Link(self.device) && macs.is_some() && !tagged && !rare;
        let program = format!("{} (XDP finishes it: {by_xdp})", self.who);
        assert_eq!(self.program == Program::XdpUplink, by_xdp, "{program}");
        let first = reason == Reason::NewFlow;
        // XDP made the record before it left the packet to the second stage.
        let reason = if first && self.staged && !by_xdp && !rare {
            Reason::KnownFlow
        } else {
            reason
        };
        let code = match out {
            Out::Stack => code::NEXT,
            Out::Link(_) if by_xdp => code::XDP_TX,
            Out::Link(_) | Out::Pod(_) => code::REDIRECT,
        };
        self.ends(Some(reason), code, "translated");
        let written = macs.filter(|_| by_xdp).map(|macs| (macs[1], macs[0]));
        // The stack counts the hop itself.
        let ttl_minus = u8::from(out != Out::Stack);
        let rewrite = Rewrite {
            src,
            dst,
            ttl_minus,
            macs: written,
        };
        must_equal(self, &translate(&self.sent, rewrite), "the translation");
        let door = match out {
            Out::Stack => Door::Stack,
            Out::Link(_) if by_xdp => Door::Transmit,
            Out::Link(device) => Door::Neighbour(device),
            Out::Pod(device) => Door::Peer(device),
        };
        assert!(
            self.door.is_none_or(|at| at == door),
            "{}: {:?}, not {door:?}",
            self.who,
            self.door
        );
    }

    /// A fragment, translated and sent on, its identification changed by `mask`.
    #[track_caller]
    pub fn is_translated_piece(
        &self,
        reason: Reason,
        src: SocketAddr,
        dst: SocketAddr,
        out: Out,
        mask: u16,
    ) {
        let ttl_minus = self.leaves(reason, out);
        let rewrite = Rewrite {
            src,
            dst,
            ttl_minus,
            macs: None,
        };
        let expected = translate_fragment(&self.sent, rewrite, mask);
        must_equal(self, &expected, "the translated fragment");
        assert_eq!(verify(&self.frame), verify(&self.sent), "{}", self.who);
    }

    /// An ICMP error, translated and sent on.
    #[track_caller]
    pub fn is_relayed(&self, related: Related, out: Out) {
        let ttl_minus = self.leaves(Reason::IcmpError, out);
        let related = Related {
            ttl_minus,
            ..related
        };
        let expected = translate_icmp_error(&self.sent, related);
        must_equal(self, &expected, "the translated error");
        assert_ne!(expected, self.sent, "the oracle knows no translation");
        assert_eq!(verify(&self.frame), verify(&self.sent), "{}", self.who);
    }

    /// Sent on by the second stage; the result is by how much the time to live goes down.
    #[track_caller]
    fn leaves(&self, reason: Reason, out: Out) -> u8 {
        let (code, door) = match out {
            Out::Stack => (code::NEXT, Door::Stack),
            Out::Link(device) => (code::REDIRECT, Door::Neighbour(device)),
            Out::Pod(device) => (code::REDIRECT, Door::Peer(device)),
        };
        self.ends(Some(reason), code, "translated");
        assert!(
            self.door.is_none_or(|at| at == door),
            "{}: {:?}, not {door:?}",
            self.who,
            self.door
        );
        // The stack counts the hop itself.
        u8::from(out != Out::Stack)
    }

    /// Translated, with a checksum as wrong as it was.
    #[track_caller]
    pub fn keeps_its_error(&self, src: SocketAddr, dst: SocketAddr) {
        let rewrite = Rewrite {
            src,
            dst,
            ttl_minus: 1,
            macs: None,
        };
        must_equal(
            self,
            &translate_preserving_error(&self.sent, rewrite),
            "the translation",
        );
    }

    #[track_caller]
    fn ends(&self, reason: Option<Reason>, code: i32, what: &str) {
        assert_eq!(
            (self.reason, self.code),
            (reason, code),
            "{}: should be {what}; what went in:\n{}",
            self.who,
            hexdump(&self.sent)
        );
    }
}
