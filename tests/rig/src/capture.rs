//! What passes a device, as tcpdump tells it, checksums verified.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::netns::Netns;
use crate::owner;
use crate::scene::Scene;
use crate::shell::output_of;

/// A running tcpdump; ended when dropped.
#[derive(Debug)]
pub struct Capture {
    child: Child,
    file: PathBuf,
    // Kept open: tcpdump writes its statistics here at the end.
    stderr: BufReader<ChildStderr>,
}

impl Capture {
    /// Begins to capture on `dev`; packets sent after this returns are in it.
    pub fn start(scene: &Scene, ns: &Netns, dev: &str, filter: &str) -> Result<Self> {
        let file = scene
            .dir("captures")?
            .join(format!("{}.pcap", owner::next_number()));
        let mut command = ns.command("tcpdump");
        command.args([
            "-i",
            dev,
            "-n",
            "-s",
            "0",
            "-U",
            "-B",
            "16384",
            "--immediate-mode",
        ]);
        // Without `-Z root` Debian's tcpdump becomes another user, who may not write here.
        command.args(["-Z", "root", "-w"]).arg(&file).arg(filter);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .context("cannot run tcpdump: is it installed?")?;
        let stderr = child.stderr.take().context("tcpdump without stderr")?;
        let mut capture = Self {
            child,
            file,
            stderr: BufReader::new(stderr),
        };
        let mut said = String::new();
        while !said.contains("listening on") {
            if capture.stderr.read_line(&mut said)? == 0 {
                bail!(
                    "tcpdump on {dev} in {} ended: {}",
                    ns.name(),
                    said.trim_end()
                );
            }
        }
        Ok(capture)
    }

    /// Ends the capture; one string a packet, as `tcpdump -vvv -nn` prints it.
    pub fn finish(mut self) -> Result<Vec<String>> {
        // What was just sent may still be on its way to the ring.
        std::thread::sleep(Duration::from_millis(50));
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT).context("SIGINT")?;
        self.child.wait().context("wait for tcpdump")?;
        let mut read = Command::new("tcpdump");
        read.args(["-vvv", "-nn", "-tt", "-Z", "root", "-r"])
            .arg(&self.file);
        Ok(packets(&output_of(&mut read)?))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Joins tcpdump's indented lines to the line that they continue.
fn packets(text: &str) -> Vec<String> {
    let mut packets: Vec<String> = Vec::new();
    for line in text.lines() {
        match packets.last_mut() {
            Some(packet) if line.starts_with([' ', '\t']) => {
                packet.push(' ');
                packet.push_str(line.trim());
            }
            _ => packets.push(line.to_owned()),
        }
    }
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_lines_belong_to_the_packet_above() {
        let text = "1.0 IP (tos 0x0)\n    10.0.0.1.5 > 10.0.0.2.6: UDP\n2.0 ARP\n";
        assert_eq!(
            packets(text),
            ["1.0 IP (tos 0x0) 10.0.0.1.5 > 10.0.0.2.6: UDP", "2.0 ARP"]
        );
    }
}
