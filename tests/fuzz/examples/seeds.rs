//! Frames for `parse_any_bytes` to begin with, where there is no corpus: right ones of every kind.
//!
//! `cargo run -p tidegate-fuzz --example seeds DIRECTORY`; the other targets need none.

use std::path::PathBuf;
use std::{env, fs, io};

use tidegate_frames::{Rng, Roles, random::valid_frame_between};

fn main() -> io::Result<()> {
    let directory: PathBuf = env::args_os().nth(1).unwrap_or("seeds".into()).into();
    fs::create_dir_all(&directory)?;
    let mut rng = Rng::new(1);
    for number in 0..500 {
        let roles = if rng.one_in(2) {
            Roles::v4()
        } else {
            Roles::v6()
        };
        let frame = valid_frame_between(&mut rng, &roles.all());
        if frame.len() < 600 {
            let data = [&[rng.next_u8() & 1], frame.as_slice()].concat();
            fs::write(directory.join(format!("seed-{number:03}")), data)?;
        }
    }
    Ok(())
}
