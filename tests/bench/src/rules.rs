//! Rules of the form that kube-proxy writes, for so many Services of which one is dialled: what tidegate replaces.
//!
//! Written from the specification (`nftables/proxier.go`, `iptables/proxier.go` of Kubernetes 1.36 as told there):
//! verdict maps with nftables, a chain that is walked with iptables. Only what a packet of the benchmarks meets.

use std::{fmt::Write as _, io::Write as _, net::Ipv4Addr, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use tidegate_rig::Netns;

use crate::lane::{NODE, POD, REMOTE};

/// The NodePort that is dialled; the other Services' are elsewhere.
pub(crate) const NODE_PORT: u16 = 30_008;

/// What is dialled: by clients outside, or by a pod of the node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum By {
    NodePort,
    ClusterIp,
}

/// Which backend answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum To {
    Pod,
    OtherNode,
}

impl To {
    pub(crate) fn address(self) -> Ipv4Addr {
        match self {
            Self::Pod => POD,
            Self::OtherNode => REMOTE,
        }
    }

    pub(crate) fn place(self) -> &'static str {
        match self {
            Self::Pod => "local",
            Self::OtherNode => "remote",
        }
    }

    /// How TCP is tried.
    pub(crate) fn road(self) -> &'static str {
        match self {
            Self::Pod => "client outside, NodePort, pod here",
            Self::OtherNode => "pod, clusterIP, pod elsewhere",
        }
    }
}

/// The clusterIP of the last of so many Services.
pub(crate) fn cluster_ip(count: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 96, 0, 0)) + count)
}

/// Number of the Service, its clusterIP, its NodePort; the dialled one is the last that a walk meets.
fn services(count: u32) -> impl Iterator<Item = (u32, Ipv4Addr, Option<u16>)> {
    (0..count).map(move |number| {
        // NodePorts are 2,768 in all; nobody has more.
        let port = match number {
            _ if number == count - 1 => Some(NODE_PORT),
            0..2000 => Some(30_009 + number as u16),
            _ => None,
        };
        (number, cluster_ip(number + 1), port)
    })
}

fn backend(port: Option<u16>, to: To) -> Ipv4Addr {
    if port == Some(NODE_PORT) {
        to.address()
    } else {
        Ipv4Addr::new(10, 244, 9, 9)
    }
}

pub(crate) fn nftables(ns: &Netns, count: u32, proto: &str, to: To) -> Result<()> {
    let proto = proto.to_lowercase();
    let (mut chains, mut ips, mut ports) = (String::new(), Vec::new(), Vec::new());
    for (number, ip, port) in services(count) {
        let backend = backend(port, to);
        writeln!(
            chains,
            "add chain ip kube endpoint-{number}\n\
             add rule ip kube endpoint-{number} ip saddr {backend} jump mark-for-masquerade\n\
             add rule ip kube endpoint-{number} meta l4proto {proto} dnat to {backend}:8080\n\
             add chain ip kube service-{number}\n\
             add rule ip kube service-{number} ip daddr {ip} {proto} dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade\n\
             add rule ip kube service-{number} numgen random mod 1 vmap {{ 0 : goto endpoint-{number} }}\n\
             add chain ip kube external-{number}\n\
             add rule ip kube external-{number} jump mark-for-masquerade\n\
             add rule ip kube external-{number} goto service-{number}"
        )?;
        ips.push(format!("{ip} . {proto} . 80 : goto service-{number}"));
        ports.extend(port.map(|port| format!("{proto} . {port} : goto external-{number}")));
    }
    let script = format!(
        "table ip kube {{\n\
         chain mark-for-masquerade {{ meta mark set meta mark or 0x4000; }}\n\
         map service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict; }}\n\
         map service-nodeports {{ type inet_proto . inet_service : verdict; }}\n\
         set nodeport-ips {{ type ipv4_addr; elements = {{ {NODE} }}; }}\n\
         chain services {{\n\
           ip daddr . meta l4proto . th dport vmap @service-ips\n\
           ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports\n\
         }}\n\
         chain masquerading {{ meta mark and 0x4000 == 0 return; meta mark set meta mark xor 0x4000; masquerade fully-random; }}\n\
         chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}\n\
         chain nat-output {{ type nat hook output priority -100; jump services; }}\n\
         chain nat-postrouting {{ type nat hook postrouting priority srcnat; jump masquerading; }}\n\
         }}\n{chains}\
         add element ip kube service-ips {{ {} }}\n\
         add element ip kube service-nodeports {{ {} }}\n",
        ips.join(", "),
        ports.join(", ")
    );
    feed(ns, &["nft", "-f", "-"], &script)
}

pub(crate) fn iptables(ns: &Netns, count: u32, proto: &str, to: To) -> Result<()> {
    let proto = proto.to_lowercase();
    let (mut names, mut rules) = (String::new(), String::new());
    let mut node_ports = String::new();
    for (number, ip, port) in services(count) {
        let backend = backend(port, to);
        writeln!(
            names,
            ":KUBE-SVC-{number} - [0:0]\n:KUBE-SEP-{number} - [0:0]\n:KUBE-EXT-{number} - [0:0]"
        )?;
        writeln!(
            rules,
            "-A KUBE-SERVICES -d {ip}/32 -p {proto} -m comment --comment \"default/svc-{number} cluster IP\" -m {proto} --dport 80 -j KUBE-SVC-{number}\n\
             -A KUBE-SVC-{number} ! -s 10.244.0.0/16 -d {ip}/32 -p {proto} -m {proto} --dport 80 -j KUBE-MARK-MASQ\n\
             -A KUBE-SVC-{number} -m comment --comment \"default/svc-{number} -> {backend}:8080\" -j KUBE-SEP-{number}\n\
             -A KUBE-SEP-{number} -s {backend}/32 -j KUBE-MARK-MASQ\n\
             -A KUBE-SEP-{number} -p {proto} -m {proto} -j DNAT --to-destination {backend}:8080\n\
             -A KUBE-EXT-{number} -j KUBE-MARK-MASQ\n\
             -A KUBE-EXT-{number} -j KUBE-SVC-{number}"
        )?;
        if let Some(port) = port {
            writeln!(
                node_ports,
                "-A KUBE-NODEPORTS -p {proto} -m comment --comment \"default/svc-{number}\" -m {proto} --dport {port} -j KUBE-EXT-{number}"
            )?;
        }
    }
    let script = format!(
        "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-NODEPORTS - [0:0]\n:KUBE-POSTROUTING - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n{names}\
         -A PREROUTING -j KUBE-SERVICES\n-A OUTPUT -j KUBE-SERVICES\n-A POSTROUTING -j KUBE-POSTROUTING\n\
         -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n\
         -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n\
         -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0\n\
         -A KUBE-POSTROUTING -j MASQUERADE --random-fully\n\
         {rules}{node_ports}\
         -A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\nCOMMIT\n"
    );
    feed(ns, &["iptables-legacy-restore"], &script)
}

fn feed(ns: &Netns, words: &[&str], script: &str) -> Result<()> {
    let mut command = ns.command(words[0]);
    let mut child = command
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context(words[0].to_owned())?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    stdin.write_all(script.as_bytes())?;
    drop(stdin);
    ensure!(child.wait()?.success(), "{} refuses the rules", words[0]);
    Ok(())
}
