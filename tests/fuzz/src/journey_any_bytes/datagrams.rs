//! The ports of datagrams in pieces, as a careful observer would note them.

use std::collections::HashMap;
use std::net::IpAddr;

use tidegate_abi::Proto;
use tidegate_frames::oracle::dissect::{Anatomy, Piece, dissect};
use tidegate_journeys::{
    machine::{Exit, Program},
    record::Tuple,
};

use crate::{shape::tuple, slow};

/// What the pieces of a datagram share.
type Name = (IpAddr, IpAddr, Vec<u8>);

/// The ports of datagrams whose first piece has been seen.
#[derive(Default)]
pub(super) struct Datagrams(HashMap<Name, Tuple>);

impl Datagrams {
    /// Remembers the ports of a first piece that tc has seen.
    pub(super) fn note(&mut self, exit: &Exit) {
        let link = slow::link(&exit.sent);
        let seen = link.and_then(|(_, l3)| slow::packet(&exit.sent, l3, false));
        let (Ok(anatomy), Ok(seen)) = (dissect(&exit.sent), seen) else {
            return;
        };
        let has_ports = matches!(seen.proto, 6 | 17) && !seen.is_damaged;
        if exit.program == Program::XdpUplink || !seen.is_fragment || !has_ports {
            return;
        }
        let tuple = Tuple {
            proto: Proto(seen.proto),
            src: seen.src,
            dst: seen.dst,
        };
        self.0.insert(name(&exit.sent, &anatomy), tuple);
    }

    /// The tuple of a packet, or of the datagram that it is a piece of.
    pub(super) fn tuple(&self, frame: &[u8]) -> Option<Tuple> {
        let anatomy = dissect(frame).ok()?;
        match anatomy.piece {
            Piece::Later => self.0.get(&name(frame, &anatomy)).copied(),
            _ => tuple(frame),
        }
    }
}

/// Addresses and identification; in IPv4 the protocol too.
fn name(frame: &[u8], anatomy: &Anatomy) -> Name {
    let id = if anatomy.is_v6() {
        fragment_id(&frame[anatomy.ip..])
    } else {
        let at = anatomy.ip + 4;
        vec![frame[at], frame[at + 1], anatomy.protocol]
    };
    (anatomy.src, anatomy.dst, id)
}

/// The identification in an IPv6 packet's last fragment header.
fn fragment_id(packet: &[u8]) -> Vec<u8> {
    let at = fragment_headers(packet).last().copied();
    at.map_or(Vec::new(), |at| packet[at + 4..at + 8].to_vec())
}

/// Where the fragment headers of an IPv6 packet stand, which can be read.
fn fragment_headers(packet: &[u8]) -> Vec<usize> {
    let (mut number, mut at) = (packet[6], 40);
    let mut found = Vec::new();
    while matches!(number, 0 | 43 | 44 | 60) {
        let mut length = 8 + 8 * usize::from(packet[at + 1]);
        let mut is_later = false;
        if number == 44 {
            found.push(at);
            length = 8;
            is_later = packet[at + 2] != 0 || packet[at + 3] & 0xf8 != 0;
        }
        (number, at) = (packet[at], at + length);
        if is_later {
            break;
        }
    }
    found
}

/// Whether a packet is cut up twice, which no sender does and nobody says how to read.
pub(super) fn is_twice_cut(frame: &[u8]) -> bool {
    let headers = dissect(frame).map(|it| match it.is_v6() {
        true => fragment_headers(&frame[it.ip..]).len(),
        false => 0,
    });
    headers.is_ok_and(|headers| headers > 1)
}
