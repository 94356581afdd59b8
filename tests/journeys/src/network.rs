//! Devices, addresses, routes and neighbours of a node: one description, two uses.
//!
//! The host looks routes up in it, the slow way; the kernel gets it as `ip` commands. What
//! `bpf_fib_lookup` answers and what [`Network::route`] answers must be the same.

use std::fmt::Write as _;
use std::net::IpAddr;

use tidegate_datapath::Route;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// One end of a cable, the end that the node has.
#[derive(Clone, Debug)]
pub struct Link {
    /// Interface index.
    pub index: u32,
    /// Name.
    pub name: &'static str,
    /// Ethernet address.
    pub mac: Mac,
    /// The largest packet that fits, from the IP header on.
    pub mtu: u32,
    /// The node's addresses on it, with the prefix that is on the link.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// Where a prefix leads.
#[derive(Clone, Copy, Debug)]
pub enum Via {
    /// Straight out of a device.
    Device(u32),
    /// Out of a device, to a router.
    Gateway(u32, IpAddr),
    /// Nowhere.
    Unreachable,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The devices.
    pub links: Vec<Link>,
    /// Routes beside those that the addresses bring.
    pub routes: Vec<(IpAddr, u8, Via)>,
    /// Who is known on which device.
    pub neighbours: Vec<(u32, IpAddr, Mac)>,
}

impl Network {
    /// The way to `dst` for `len` bytes; 0: no matter how many.
    pub fn route(&self, dst: IpAddr, len: u32) -> Route {
        if self
            .links
            .iter()
            .any(|link| link.addresses.iter().any(|(own, _)| *own == dst))
        {
            return Route::None;
        }
        let (index, hop) = match self.longest(dst) {
            Some(Via::Device(index)) => (index, dst),
            Some(Via::Gateway(index, router)) => (index, router),
            Some(Via::Unreachable) => return Route::Unreachable,
            None => return Route::None,
        };
        let Some(link) = self.link(index) else {
            return Route::None;
        };
        if len > link.mtu {
            return Route::TooBig { mtu: link.mtu };
        }
        let known = self
            .neighbours
            .iter()
            .find(|(device, ip, _)| *device == index && *ip == hop);
        let macs = known.map(|(_, _, mac)| {
            let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (*mac, link.mac);
            [a, b, c, d, e, f, g, h, i, j, k, l]
        });
        Route::Via {
            device: index,
            macs,
            is_direct: false,
        }
    }

    /// The device with an index.
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    fn longest(&self, dst: IpAddr) -> Option<Via> {
        let connected = self.links.iter().flat_map(|link| {
            link.addresses
                .iter()
                .map(|(ip, len)| (*ip, *len, Via::Device(link.index)))
        });
        let all = connected.chain(self.routes.iter().copied());
        let covering = all.filter(|(net, len, _)| covers(*net, *len, dst));
        covering
            .max_by_key(|(_, len, _)| *len)
            .map(|(_, _, via)| via)
    }

    /// What `ip -batch` must do to make it. Each device is one end of a veth pair whose other end,
    /// named with a final `p`, does nothing.
    pub fn commands(&self) -> String {
        let mut lines = String::new();
        let mut line = |text: String| writeln!(lines, "{text}").expect("a String takes all");
        line("link set lo up".to_owned());
        for Link {
            index,
            name,
            mac,
            mtu,
            addresses,
        } in &self.links
        {
            let mac = spell(*mac);
            line(format!(
                "link add {name} index {index} address {mac} mtu {mtu} type veth peer name {name}p"
            ));
            for end in [format!("{name}p"), (*name).to_owned()] {
                line(format!("link set {end} addrgenmode none up"));
            }
            for (ip, len) in addresses {
                let flag = if ip.is_ipv6() { " nodad" } else { "" };
                line(format!("addr add {ip}/{len} dev {name}{flag}"));
            }
        }
        for (net, len, via) in &self.routes {
            line(match via {
                Via::Device(index) => format!("route add {net}/{len} dev {}", self.name(*index)),
                Via::Gateway(index, router) => {
                    format!(
                        "route add {net}/{len} via {router} dev {}",
                        self.name(*index)
                    )
                }
                Via::Unreachable => format!("route add unreachable {net}/{len}"),
            });
        }
        for (index, ip, mac) in &self.neighbours {
            let (mac, name) = (spell(*mac), self.name(*index));
            line(format!(
                "neigh add {ip} lladdr {mac} dev {name} nud permanent"
            ));
        }
        lines
    }

    fn name(&self, index: u32) -> &'static str {
        self.link(index).map_or("missing", |link| link.name)
    }
}

fn spell(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Whether `ip` lies in `net/len`.
fn covers(net: IpAddr, len: u8, ip: IpAddr) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let same_family = net.is_ipv4() == ip.is_ipv4();
    same_family
        && (bits(net) ^ bits(ip))
            .checked_shr(128 - u32::from(len))
            .unwrap_or(0)
            == 0
}
