//! The pods' web server: a few lines of Python, which is nobody's eBPF.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tidegate_rig::{Netns, Pod, output_of};

// Not `HTTPServer`: it asks the DNS for its own name first, and there is no DNS here.
const SERVER: &str = r#"
import http.server, socketserver, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = f"Hello, {self.client_address[0]}, this is {sys.argv[1]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)
    def log_message(self, *_):
        pass
socketserver.ThreadingTCPServer.request_queue_size = 128
socketserver.ThreadingTCPServer(("", 8080), Page).serve_forever()
"#;

/// Starts a server in the pod; it ends with the scene.
pub(super) fn serve(pod: &Pod, name: &str) -> Result<Child> {
    let mut command = pod.ns.command("python3");
    command.args(["-c", SERVER, name]).stdin(Stdio::null());
    command.spawn().context("cannot run python3")
}

/// Waits until the pod's server answers its node.
pub(super) fn wait_for(node: &Netns, pod: &Pod) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let url = format!("http://{}:8080", pod.v4);
    loop {
        match output_of(node.command("curl").args(["-sS", "--max-time", "1", &url])) {
            Ok(_page) => return Ok(()),
            Err(error) if Instant::now() > deadline => bail!("no web server at {url}: {error:#}"),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}
