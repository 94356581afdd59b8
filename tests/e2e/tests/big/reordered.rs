//! Fragments that arrive in another order than they were sent, by hand: the kernel here cannot reorder.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_e2e::{Ep, Svc, World};
use tidegate_frames::Frame;
use tidegate_rig::{Netns, Wire, mac_of};

use crate::world;

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
}

/// An id is not used again within the seconds that fragments may take (RFC 6864).
static NEXT_ID: AtomicU16 = AtomicU16::new(1);

impl Sender {
    fn new(from: &Netns, own: SocketAddr, next_hop: [u8; 6]) -> Result<Self> {
        let socket = from.run(|| UdpSocket::bind(own))?;
        socket.set_read_timeout(Some(Duration::from_secs(3)))?;
        Ok(Self {
            own: socket.local_addr()?,
            wire: Wire::open(from, "eth0")?,
            macs: (mac_of(from, "eth0")?, next_hop),
            socket,
        })
    }

    /// The fragments of a datagram, in order.
    fn pieces(&self, id: u16, to: SocketAddr, payload: &[u8]) -> Vec<Vec<u8>> {
        let datagram = Frame::udp(self.own, to).payload(payload).id(id);
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
    fn ask(&self, to: SocketAddr, size: usize, order: Order) -> Result<()> {
        let payload: Vec<u8> = (0..size).map(|nth| (nth % 241) as u8).collect();
        let mut heard = Ok(());
        for _ in 0..TRIES {
            let mut pieces = self.pieces(next_id(), to, &payload);
            ensure!(
                pieces.len() == size.div_ceil(PIECE),
                "{} fragments",
                pieces.len()
            );
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

fn next_id() -> u16 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
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
                // Neighbours must be known: nobody waits for a raw sender's.
                sender
                    .ask(to, PIECE / 2, ORDERS[0].1)
                    .context("one piece")?;
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
fn rule_5_6_3_fragments_in_any_order_are_delivered_to_local_and_remote_backends() -> Result<()> {
    let world = world()?;
    in_all_orders(&world, &Svc::new("reordered", 11), &[2000, 4000])
}

#[test]
fn rule_5_6_3_sixteen_reversed_fragments_are_delivered() -> Result<()> {
    let world = world()?;
    in_all_orders(&world, &Svc::new("many", 12), &[16 * PIECE - 8])
}

#[test]
fn rule_5_6_2_datagrams_of_two_clients_with_one_id_do_not_mix() -> Result<()> {
    let world = world()?;
    let svc = Svc::new("one-id", 13);
    for pod in [world.a(1), world.b(1)] {
        world.put(&svc, &[Ep::of(pod)])?;
        for v6 in [false, true] {
            let to = svc.node_port(world.node_address(v6));
            let own = SocketAddr::new(world.scene.b.addresses()[usize::from(v6)], 0);
            let node = mac_of(&world.scene.a.ns, "eth0")?;
            let one = from_the_client(&world, v6)?;
            let two = Sender::new(&world.scene.b.ns, own, node)?;
            for sender in [&one, &two] {
                sender.ask(to, 100, ORDERS[0].1)?;
            }
            let (first, second) = (vec![b'1'; 4000], vec![b'2'; 4000]);
            let heard = (0..TRIES).any(|_| {
                let id = next_id();
                let (mine, yours) = (one.pieces(id, to, &first), two.pieces(id, to, &second));
                for (mine, yours) in mine.iter().rev().zip(yours.iter().rev()) {
                    drop(one.wire.send(mine));
                    drop(two.wire.send(yours));
                }
                one.hears(to, &first).is_ok() && two.hears(to, &second).is_ok()
            });
            ensure!(heard, "no answers, IPv6: {v6}, backend {}", pod.name);
        }
    }
    Ok(())
}
