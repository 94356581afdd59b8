//! Frames on disk for Wireshark and tcpdump, in the plain libpcap format.
//!
//! The file is big-endian, which the format allows: its magic number tells readers so. Times are
//! made up (one second per frame), so that the same failure gives the same file.

use std::fs;
use std::io;
use std::path::Path;

/// Writes `frames` to `path`, making the directories on the way.
pub fn write(path: impl AsRef<Path>, frames: &[impl AsRef<[u8]>]) -> io::Result<()> {
    if let Some(directory) = path.as_ref().parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, bytes(frames))
}

/// The file's bytes.
pub fn bytes(frames: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_be_bytes());
    file.extend(2_u16.to_be_bytes());
    file.extend(4_u16.to_be_bytes());
    // Time zone, accuracy, longest frame, link type (1 is Ethernet).
    for field in [0_u32, 0, 262_144, 1] {
        file.extend(field.to_be_bytes());
    }
    for (second, frame) in frames.iter().enumerate() {
        let frame = frame.as_ref();
        let length = frame.len() as u32;
        for field in [second as u32, 0, length, length] {
            file.extend(field.to_be_bytes());
        }
        file.extend(frame);
    }
    file
}
