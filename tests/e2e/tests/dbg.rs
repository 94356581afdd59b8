//! Fragments that arrive in another order than they were sent, by hand: the kernel here cannot reorder.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Svc, World};
use tidegate_frames::Frame;
use tidegate_rig::{Netns, Wire, mac_of};



/// Bytes of each fragment: full frames of a link of 1500.
const PIECE: usize = 1448;
/// How often one may be sent again, with another id: held fragments may be pushed out by others.
const TRIES: u16 = 3;

/// A socket for the answers, and a device for the fragments of what it "sends".
struct Sender {
    socket: UdpSocket,
    own: SocketAddr,
    wire: Wire,
    macs: ([u8; 6], [u8; 6]),
    next_id: u16,
}

impl Sender {
    fn new(from: &Netns, own: SocketAddr, next_hop: [u8; 6]) -> Result<Self> {
        let socket = from.run(|| UdpSocket::bind(own))?;
        socket.set_read_timeout(Some(Duration::from_secs(3)))?;
        Ok(Self {
            own: socket.local_addr()?,
            wire: Wire::open(from, "eth0")?,
            macs: (mac_of(from, "eth0")?, next_hop),
            socket,
            next_id: 7,
        })
    }

    /// The fragments of a datagram, in order.
    fn pieces(&mut self, to: SocketAddr, payload: &[u8]) -> Vec<Vec<u8>> {
        self.next_id += 1;
        let datagram = Frame::udp(self.own, to).payload(payload).id(self.next_id);
        datagram.macs(self.macs.0, self.macs.1).fragments(PIECE)
    }

    /// Waits for the echo of this payload.
    fn hears(&self, to: SocketAddr, payload: &[u8]) -> Result<()> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).context("no answer")?;
            if from == to && buffer[..length].ends_with(payload) {
                return Ok(());
            }
        }
    }

    /// Sends a datagram's fragments in an order and waits for the echo.
    fn ask(&mut self, to: SocketAddr, size: usize, order: Order) -> Result<()> {
        let payload: Vec<u8> = (0..size).map(|nth| (nth % 241) as u8).collect();
        let mut heard = Ok(());
        for _ in 0..TRIES {
            let mut pieces = self.pieces(to, &payload);
            ensure!(pieces.len() == size.div_ceil(PIECE), "{} fragments", pieces.len());
            order(&mut pieces);
            for piece in &pieces {
                self.wire.send(piece)?;
            }
            heard = self.hears(to, &payload);
            if heard.is_ok() {
                break;
            }
        }
        heard.with_context(|| format!("{size} bytes to {to}"))
    }
}

type Order = fn(&mut Vec<Vec<u8>>);

const ORDERS: [(&str, Order); 4] = [
    ("in order", |_pieces| {}),
    ("the first one last", |pieces| pieces.rotate_left(1)),
    ("reversed", |pieces| pieces.reverse()),
    ("the second one first", |pieces| pieces.swap(0, 1)),
];

fn from_the_client(world: &World, v6: bool) -> Result<Sender> {
    let own = SocketAddr::new(world.client_address(v6), 0);
    let node = mac_of(&world.scene.a.ns, "eth0")?;
    Sender::new(&world.scene.client, own, node)
}

fn from_a_pod(world: &World, v6: bool) -> Result<Sender> {
    let pod = world.a(2);
    let own = SocketAddr::new(pod.addresses()[usize::from(v6)], 0);
    let host = mac_of(&world.scene.a.ns, &pod.device)?;
    Sender::new(&pod.ns, own, host)
}

fn in_all_orders(world: &World, svc: &Svc, sizes: &[usize]) -> Result<()> {
    for pod in [world.a(1), world.b(1)] {
        world.put(svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            let node_port = svc.node_port(world.node_address(v6));
            for (sender, to) in [
                (from_the_client(world, v6)?, node_port),
                (from_a_pod(world, v6)?, svc.cluster(v6)),
            ] {
                let mut sender = sender;
                // Neighbours must be known: nobody waits for a raw sender's.
                sender.ask(to, PIECE / 2, ORDERS[0].1).context("one piece")?;
                for (what, order) in ORDERS {
                    for &size in sizes {
                        let asked = sender.ask(to, size, order);
                        asked.with_context(|| format!("{what}, backend {}", pod.name))?;
                    }
                }
            }
        }
    }
    Ok(())
}


#[test]
fn dbg() -> Result<()> {
    let world = World::builder().build()?;
    let svc = Svc::new("reordered", 11);
    world.put(&svc, &[Ep::of(world.b(1))])?;
    let to = svc.node_port(world.node_address(false));
    let mut sender = from_the_client(&world, false)?;
    sender.ask(to, 700, ORDERS[0].1)?;
    let caps: Vec<_> = [(&world.scene.client,"eth0"),(&world.scene.a.ns,"eth0"),(&world.scene.b.ns,"eth0"),(&world.b(1).ns,"eth0")].into_iter().map(|(ns,dev)| (ns.name().to_owned(), tidegate_rig::Capture::start(&world.scene, ns, dev, "ip and (udp or icmp or ip[6:2] & 0x1fff != 0)").unwrap())).collect();
    let before = world.spec.status()?["counters"].clone();
    let out = sender.ask(to, 2000, ORDERS[1].1);
    println!("{out:?}");
    println!("before {before}\nafter {}", world.spec.status()?["counters"]);
    for (n,c) in caps { println!("== {n}"); for l in c.finish()? { println!("{}", &l[..l.len().min(260)]); } }
    Ok(())
}
