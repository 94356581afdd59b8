//! The rig itself, with plain forwarding: no agent, no eBPF.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use tidegate_rig::{Capture, EchoServer, Netns, Pod, TwoNodes};

/// Nobody listens on port 9: a refusal comes from the address itself, so it can be reached.
fn knock(from: &Netns, to: IpAddr) -> ErrorKind {
    let to = SocketAddr::new(to, 9);
    let knocked = from.run(|| TcpStream::connect_timeout(&to, Duration::from_secs(3)));
    knocked.unwrap_err().kind()
}

fn reaches(from: &Netns, to: IpAddr) {
    assert_eq!(
        knock(from, to),
        ErrorKind::ConnectionRefused,
        "{} to {to}",
        from.name()
    );
}

fn ask_tcp(from: &Netns, to: SocketAddr) -> (String, SocketAddr) {
    from.run(|| {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(3)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(3)))
            .unwrap();
        stream.write_all(b"hello").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "hello");
        EchoServer::parse(&line).unwrap()
    })
}

fn ask_udp(from: &Netns, to: SocketAddr) -> (String, SocketAddr) {
    from.run(|| {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(3)))
            .unwrap();
        socket.send_to(b"hello", to).unwrap();
        let mut buffer = [0; 2048];
        let (length, peer) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(peer, to);
        let answer = std::str::from_utf8(&buffer[..length]).unwrap();
        let (line, payload) = answer.split_once('\n').unwrap();
        assert_eq!(payload, "hello");
        EchoServer::parse(line).unwrap()
    })
}

#[test]
fn the_client_reaches_both_nodes_and_pods_reach_each_other() {
    let scene = TwoNodes::builder().pods(2, 1).build().unwrap();
    for address in scene.a.addresses().into_iter().chain(scene.b.addresses()) {
        reaches(&scene.client, address);
    }
    let [a1, a2]: &[Pod; 2] = scene.a.pods.as_slice().try_into().unwrap();
    let b1 = &scene.b.pods[0];
    for (from, to) in [(a1, a2), (a1, b1), (b1, a2)] {
        to.addresses()
            .into_iter()
            .for_each(|address| reaches(&from.ns, address));
    }
    for node in [&scene.a, &scene.b] {
        a1.addresses()
            .into_iter()
            .for_each(|address| reaches(&node.ns, address));
    }
}

#[test]
fn the_client_has_no_way_to_a_pod_or_a_service() {
    let scene = TwoNodes::builder().pods(1, 0).build().unwrap();
    for address in ["10.244.0.2", "fd00:244::2", "10.96.0.10", "fd00:96::10"] {
        let knocked = knock(&scene.client, address.parse().unwrap());
        assert_eq!(knocked, ErrorKind::NetworkUnreachable, "{address}");
    }
}

#[test]
fn the_echo_server_tells_who_it_is_and_whom_it_saw() {
    for offloads in [true, false] {
        let scene = TwoNodes::builder()
            .pods(1, 1)
            .offloads(offloads)
            .build()
            .unwrap();
        let (server, peer) = (&scene.a.pods[0], &scene.b.pods[0]);
        let echo = EchoServer::start(&server.ns, "poda1", 8080).unwrap();
        for (to, from) in server.addresses().into_iter().zip(peer.addresses()) {
            let to = SocketAddr::new(to, 8080);
            for (name, seen) in [ask_tcp(&peer.ns, to), ask_udp(&peer.ns, to)] {
                assert_eq!((name.as_str(), seen.ip()), ("poda1", from));
            }
        }
        assert_eq!((echo.connections(), echo.datagrams()), (2, 2));
    }
}

#[test]
fn the_echo_server_holds_two_thousand_connections_at_once() {
    let scene = TwoNodes::builder().pods(1, 1).build().unwrap();
    let echo = EchoServer::start(&scene.a.pods[0].ns, "poda1", 8080).unwrap();
    let to = SocketAddr::new(scene.a.pods[0].v4.into(), 8080);
    scene.b.pods[0].ns.run(|| {
        let open = || TcpStream::connect_timeout(&to, Duration::from_secs(3)).unwrap();
        let streams: Vec<_> = std::iter::repeat_with(open).take(2000).collect();
        for mut stream in streams {
            stream.write_all(b"x").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("poda1 saw 10.244.1.2:") && answer.ends_with("\nx"));
        }
    });
    assert_eq!(echo.connections(), 2000);
}

#[test]
fn a_megabyte_comes_back_unchanged() {
    let scene = TwoNodes::builder().pods(1, 1).build().unwrap();
    let _echo = EchoServer::start(&scene.a.pods[0].ns, "poda1", 8080).unwrap();
    let to = SocketAddr::new(scene.a.pods[0].v6.into(), 8080);
    let sent: Vec<u8> = (0..1_000_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let received = scene.b.pods[0].ns.run(|| {
        let stream = TcpStream::connect(to).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let copy = sent.clone();
        let sender = std::thread::spawn(move || {
            writer.write_all(&copy).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut reader = BufReader::new(stream);
        reader.read_line(&mut String::new()).unwrap();
        let mut received = Vec::new();
        reader.read_to_end(&mut received).unwrap();
        sender.join().unwrap();
        received
    });
    assert!(
        received == sent,
        "{} bytes of {} differ",
        received.len(),
        sent.len()
    );
}

#[test]
fn a_capture_shows_packets_and_whether_their_checksums_are_right() {
    for (offloads, expected) in [(true, "incorrect"), (false, "correct")] {
        let scene = TwoNodes::builder()
            .pods(0, 0)
            .offloads(offloads)
            .build()
            .unwrap();
        let capture = Capture::start(&scene, &scene.client, "eth0", "udp").unwrap();
        scene.client.run(|| {
            let socket = UdpSocket::bind("192.168.1.10:4000").unwrap();
            socket.send_to(b"hello", "192.168.1.2:9").unwrap();
        });
        let packets = capture.finish().unwrap();
        let packet = packets
            .iter()
            .find(|packet| packet.contains("192.168.1.10.4000 > "))
            .unwrap();
        // The sender's own device shows what is still to be filled in.
        let verdict = if packet.contains("bad udp cksum") {
            "incorrect"
        } else {
            "correct"
        };
        assert_eq!(verdict, expected, "{packet}");
    }
}
