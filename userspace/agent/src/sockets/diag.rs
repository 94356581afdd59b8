//! The kernel's list of sockets (`NETLINK_SOCK_DIAG`), and the way to end one of them (`SOCK_DESTROY`).

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
};

use netlink_packet_sock_diag::{
    SockDiagDestroy, SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_UDP},
    inet::{ExtensionFlags, InetRequest, SocketId, StateFlags},
};
use rtnetlink::{
    packet_core::{
        NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
        NetlinkSerializable,
    },
    sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG},
};

/// A UDP socket of this network namespace.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Open {
    /// The kernel's cookie as the maps spell it: low word, high word.
    pub(super) cookie: [u32; 2],
    family: u8,
    id: SocketId,
}

/// Why a socket was not ended.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is closed, or connected to somebody else by now.
    Gone,
    /// The kernel does not do that for us.
    Refused(String),
}

/// A connection to the kernel.
pub(super) struct Diag(Socket);

impl Diag {
    pub(super) fn open() -> Result<Self, String> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            Ok(socket)
        };
        let socket = open().map_err(|error| {
            format!("cannot ask for the sockets of this host (NETLINK_SOCK_DIAG): {error}")
        })?;
        Ok(Self(socket))
    }

    /// All UDP sockets of both families.
    pub(super) fn udp(&mut self) -> Result<Vec<Open>, String> {
        let mut found = Vec::new();
        for (family, any) in [
            (AF_INET, SocketId::new_v4()),
            (AF_INET6, SocketId::new_v6()),
        ] {
            let request = SockDiagMessage::InetRequest(request(family, any));
            let listed = self.ask(request, NLM_F_DUMP, |message| {
                if let SockDiagMessage::InetResponse(response) = message {
                    let id = response.header.socket_id;
                    found.push(Open::new(response.header.family, id));
                }
            });
            // Without CONFIG_INET_UDP_DIAG there is nobody to ask.
            listed.map_err(|error| format!("cannot list the UDP sockets of this host: {error}"))?;
        }
        Ok(found)
    }

    /// Ends a socket; what it is told is ECONNABORTED.
    pub(super) fn end(&mut self, socket: &Open) -> Result<(), Failure> {
        let request = SockDiagMessage::InetRequest(request(socket.family, socket.id.clone()));
        let ended = self.ask(SockDiagDestroy::new(request), NLM_F_ACK, |_| ());
        ended.map_err(|error| match error.raw_os_error() {
            Some(libc::ENOENT | libc::ESTALE) => Failure::Gone,
            Some(libc::EOPNOTSUPP) => Failure::Refused(
                "this kernel cannot end sockets of others: it lacks CONFIG_INET_DIAG_DESTROY"
                    .into(),
            ),
            _ => Failure::Refused(format!("cannot end a UDP socket: {error}")),
        })
    }

    /// Sends a request and shows the answers, until the kernel says that this was the last one.
    fn ask<M>(
        &mut self,
        request: M,
        flags: u16,
        mut show: impl FnMut(SockDiagMessage),
    ) -> io::Result<()>
    where
        M: NetlinkSerializable + Into<NetlinkPayload<M>>,
    {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        let mut message = NetlinkMessage::new(header, request.into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.0.send(&bytes, 0)?;
        loop {
            let (bytes, _) = self.0.recv_from_full()?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                    .map_err(io::Error::other)?;
                match message.payload {
                    NetlinkPayload::InnerMessage(message) => show(message),
                    NetlinkPayload::Done(done) if done.code == 0 => return Ok(()),
                    NetlinkPayload::Done(done) => {
                        return Err(io::Error::from_raw_os_error(-done.code));
                    }
                    NetlinkPayload::Error(error) => {
                        return match error.code {
                            None => Ok(()),
                            Some(_) => Err(error.to_io()),
                        };
                    }
                    _ => {}
                }
                let len = (message.header.length as usize).next_multiple_of(4);
                rest = rest.get(len.max(4)..).unwrap_or_default();
            }
        }
    }
}

impl Open {
    /// A socket that cannot be: no socket is bound to port 0.
    pub(super) fn nobody() -> Self {
        Self::new(AF_INET, SocketId::new_v4())
    }

    pub(super) fn new(family: u8, id: SocketId) -> Self {
        let word = |at: usize| {
            let bytes = std::array::from_fn(|index| id.cookie[at + index]);
            u32::from_ne_bytes(bytes)
        };
        Self {
            cookie: [word(0), word(4)],
            family,
            id,
        }
    }

    /// Whom it is connected to. An IPv6 socket may be connected to an IPv4 address.
    pub(super) fn peer(&self) -> Option<(IpAddr, u16)> {
        let ip = self.id.destination_address.to_canonical();
        let is_connected = self.id.destination_port != 0 && ip != Ipv4Addr::UNSPECIFIED;
        is_connected.then_some((ip, self.id.destination_port))
    }
}

fn request(family: u8, socket_id: SocketId) -> InetRequest {
    InetRequest {
        family,
        protocol: IPPROTO_UDP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id,
    }
}
