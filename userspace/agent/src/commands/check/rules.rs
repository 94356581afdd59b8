//! Chains of nftables that kube-proxy has made, asked of the kernel itself: a node need not have `nft`.

use std::{collections::BTreeMap, io};

use rtnetlink::sys::{Socket, SocketAddr};

const NETLINK_NETFILTER: isize = 12;
const GET_CHAIN: u16 = 10 << 8 | 4;
const REQUEST_DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `struct nlmsghdr`, and `struct nfgenmsg` behind it.
const HEADER: usize = 16;
const FAMILY: usize = 4;
/// `NFTA_CHAIN_TABLE` and `NFTA_CHAIN_NAME`.
const TABLE: u16 = 1;
const NAME: u16 = 3;

/// A line for each table in which there are chains of kube-proxy.
pub(super) fn of_nftables() -> io::Result<Vec<String>> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for (table, chain) in chains()? {
        if table == "kube-proxy" || is_kube_proxys(&chain) {
            *count.entry(table).or_default() += 1;
        }
    }
    let lines = count.into_iter();
    Ok(lines
        .map(|(table, chains)| format!("{chains} chains in table {table} of nftables"))
        .collect())
}

/// kubelet has chains of its own, which hurt nobody.
pub(super) fn is_kube_proxys(chain: &str) -> bool {
    [
        "KUBE-SERVICES",
        "KUBE-NODEPORTS",
        "KUBE-SVC-",
        "KUBE-SEP-",
        "KUBE-EXT-",
        "KUBE-SVL-",
    ]
    .iter()
    .any(|name| chain.starts_with(name))
}

/// Table and name of all chains of this network namespace.
fn chains() -> io::Result<Vec<(String, String)>> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut request = Vec::new();
    request.extend_from_slice(&((HEADER + FAMILY) as u32).to_ne_bytes());
    request.extend_from_slice(&GET_CHAIN.to_ne_bytes());
    request.extend_from_slice(&REQUEST_DUMP.to_ne_bytes());
    request.extend_from_slice(&[0; 8 + FAMILY]);
    socket.send(&request, 0)?;
    let mut chains = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        if take(&bytes, &mut chains)? {
            return Ok(chains);
        }
    }
}

/// Reads the messages of one datagram; true: it was the last one.
fn take(bytes: &[u8], chains: &mut Vec<(String, String)>) -> io::Result<bool> {
    let mut rest = bytes;
    while let Some(len) = word(rest, 0) {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let Some(message) = rest.get(..len).filter(|message| message.len() >= HEADER) else {
            return Err(io::Error::other("the kernel's answer is cut short"));
        };
        match half(message, 4) {
            Some(DONE) => return Ok(true),
            Some(ERROR) => {
                let code = word(message, HEADER).unwrap_or(0).cast_signed();
                return Err(io::Error::from_raw_os_error(-code));
            }
            _ => chains.extend(chain(message.get(HEADER + FAMILY..).unwrap_or_default())),
        }
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn chain(attributes: &[u8]) -> Option<(String, String)> {
    let (mut table, mut name) = (None, None);
    let mut rest = attributes;
    while let (Some(len), Some(kind)) = (half(rest, 0), half(rest, 2)) {
        let value = rest.get(4..usize::from(len))?;
        let text =
            || String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned();
        match kind {
            TABLE => table = Some(text()),
            NAME => name = Some(text()),
            _ => {}
        }
        rest = rest
            .get(usize::from(len).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Some((table?, name?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, text: &str) -> Vec<u8> {
        let len = 4 + text.len() + 1;
        let mut bytes = (len as u16).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes.resize(len.next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn chains_are_read_out_of_the_kernels_messages() {
        let body = [
            vec![0; FAMILY],
            attribute(TABLE, "nat"),
            attribute(NAME, "KUBE-SERVICES"),
        ]
        .concat();
        let bytes = [message(GET_CHAIN, &body), message(DONE, &[0; 4])].concat();
        let mut chains = Vec::new();
        assert!(take(&bytes, &mut chains).unwrap());
        assert_eq!(chains, [("nat".to_owned(), "KUBE-SERVICES".to_owned())]);
    }

    #[test]
    fn a_message_that_is_cut_short_or_an_error_is_told_and_never_panics() {
        let body = [
            vec![0; FAMILY],
            attribute(TABLE, "nat"),
            attribute(NAME, "x"),
        ]
        .concat();
        let whole = message(GET_CHAIN, &body);
        for end in 0..whole.len() {
            let _never_panics = take(&whole[..end], &mut Vec::new());
        }
        let error = message(ERROR, &(-libc::EPERM).to_ne_bytes());
        let error = take(&error, &mut Vec::new()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn chains_of_kubelet_are_not_kube_proxys() {
        assert!(is_kube_proxys("KUBE-SVC-ABC") && is_kube_proxys("KUBE-SERVICES"));
        assert!(!is_kube_proxys("KUBE-KUBELET-CANARY") && !is_kube_proxys("KUBE-FIREWALL"));
    }
}
