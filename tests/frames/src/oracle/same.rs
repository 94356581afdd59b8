//! Are two frames the same packet?
//!
//! 0x0000 and 0xFFFF are two spellings of zero in ones' complement. A receiver of an IPv4 header
//! or a TCP segment adds all words up and compares with 0xFFFF, so both spellings verify, or both
//! fail; RFC 1624 section 3 shows how the older update formula of RFC 1141 produces the other one.
//! They are told apart everywhere else: in UDP a zero means "not computed", and for the rest
//! nothing in a right update leads to the second spelling.

use super::dissect::{Piece, dissect};

/// Equal in every byte, or different only in the spelling of zero in the IPv4 header's checksum or
/// the TCP checksum. Frames that cannot be read must be equal in every byte.
pub fn same_packet(a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    let Ok(anatomy) = dissect(a) else {
        return false;
    };
    let mut fields = Vec::new();
    if !anatomy.is_v6() {
        fields.push(anatomy.ip + 10);
    }
    if anatomy.protocol == 6 && anatomy.piece != Piece::Later {
        fields.push(anatomy.transport + 16);
    }
    let spell = |frame: &[u8]| {
        let mut copy = frame.to_vec();
        for at in &fields {
            match copy.get_mut(*at..*at + 2) {
                Some(field) if field == [0xff, 0xff] => field.fill(0),
                _ => {}
            }
        }
        copy
    };
    spell(a) == spell(b)
}
