//! Socket hooks for processes of this host (by network-namespace cookie).

use aya_ebpf::{
    bindings::bpf_sock_addr,
    helpers::generated::{
        bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_ktime_get_ns, bpf_set_retval,
    },
    macros::cgroup_sock_addr,
    programs::SockAddrContext,
};
use tidegate_abi::{Ip4, Ip6, Port, Proto, Reason, reason::Kind};
use tidegate_datapath::socket::{self, Call};

use crate::{
    account,
    maps::frozen,
    tables::{Family, Maps},
};

/// The system call goes on.
const ALLOW: i32 = 1;
/// The system call fails: EPERM, unless a return value was set.
const DENY: i32 = 0;
const ECONNREFUSED: i32 = 111;
const EHOSTUNREACH: i32 = 113;
/// The third word of an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2).
const MAPPED: u32 = 0xffff_u32.to_be();

/// Declares the two entries of a hook: `out` translates, `back` shows the dialled address.
macro_rules! entries {
    ($($hook4:ident, $hook6:ident: $direction:ident;)+) => {$(
        #[doc = concat!("The ", stringify!($hook4), " hook.")]
        #[cgroup_sock_addr($hook4)]
        pub(crate) fn $hook4(ctx: SockAddrContext) -> i32 {
            $direction::<Ip4>(ctx.sock_addr)
        }

        #[doc = concat!("The ", stringify!($hook6), " hook.")]
        #[cgroup_sock_addr($hook6)]
        pub(crate) fn $hook6(ctx: SockAddrContext) -> i32 {
            if is_mapped(ctx.sock_addr) {
                return $direction::<Mapped>(ctx.sock_addr);
            }
            $direction::<Ip6>(ctx.sock_addr)
        }
    )+};
}

entries! {
    connect4, connect6: out;
    sendmsg4, sendmsg6: out;
    recvmsg4, recvmsg6: back;
    getpeername4, getpeername6: back;
}

/// Where a hook's context keeps an address.
trait Place {
    type Addr: Family;
    fn get(ctx: *mut bpf_sock_addr) -> Self::Addr;
    fn set(ctx: *mut bpf_sock_addr, addr: Self::Addr);
}

/// An IPv4 address in an IPv6 socket.
struct Mapped;

impl Place for Ip4 {
    type Addr = Self;

    #[inline(always)]
    fn get(ctx: *mut bpf_sock_addr) -> Self {
        // SAFETY: the context is valid for as long as the program runs, here and below.
        Self::from_be32(unsafe { (*ctx).user_ip4 })
    }

    #[inline(always)]
    fn set(ctx: *mut bpf_sock_addr, addr: Self) {
        // SAFETY: as above.
        unsafe { (*ctx).user_ip4 = addr.be32() };
    }
}

impl Place for Mapped {
    type Addr = Ip4;

    #[inline(always)]
    fn get(ctx: *mut bpf_sock_addr) -> Ip4 {
        // SAFETY: as above.
        Ip4::from_be32(unsafe { (&raw const (*ctx).user_ip6[3]).read_volatile() })
    }

    #[inline(always)]
    fn set(ctx: *mut bpf_sock_addr, addr: Ip4) {
        // SAFETY: as above.
        unsafe { (&raw mut (*ctx).user_ip6[3]).write_volatile(addr.be32()) };
    }
}

impl Place for Ip6 {
    type Addr = Self;

    #[inline(always)]
    fn get(ctx: *mut bpf_sock_addr) -> Self {
        // Volatile: the verifier rewrites context accesses word by word and refuses merged ones.
        // SAFETY: as above.
        let word = |i: usize| unsafe { (&raw const (*ctx).user_ip6[i]).read_volatile() };
        Self::from_be32([word(0), word(1), word(2), word(3)])
    }

    #[inline(always)]
    fn set(ctx: *mut bpf_sock_addr, addr: Self) {
        let [a, b, c, d] = addr.be32();
        // SAFETY: as above.
        unsafe {
            (&raw mut (*ctx).user_ip6[0]).write_volatile(a);
            (&raw mut (*ctx).user_ip6[1]).write_volatile(b);
            (&raw mut (*ctx).user_ip6[2]).write_volatile(c);
            (&raw mut (*ctx).user_ip6[3]).write_volatile(d);
        }
    }
}

#[inline(always)]
fn is_mapped(ctx: *mut bpf_sock_addr) -> bool {
    let [a, b, c, _] = Ip6::get(ctx).be32();
    a == 0 && b == 0 && c == MAPPED
}

/// The call, if it is one of this host's own processes and of a protocol that Services have.
#[inline(always)]
fn call<P: Place>(ctx: *mut bpf_sock_addr) -> Option<Call<P::Addr>> {
    // SAFETY: the context is valid for as long as the program runs; helpers on it.
    let (netns, cookie, proto, port) = unsafe {
        (
            bpf_get_netns_cookie(ctx.cast()),
            bpf_get_socket_cookie(ctx.cast()),
            (*ctx).protocol,
            (*ctx).user_port,
        )
    };
    let proto = Proto(proto as u8);
    if netns != frozen!(netns_cookie) || (proto != Proto::TCP && proto != Proto::UDP) {
        return None;
    }
    Some(Call {
        addr: P::get(ctx),
        port: Port::from_be16(port as u16),
        proto,
        cookie,
        // SAFETY: a helper without arguments.
        now_ns: unsafe { bpf_ktime_get_ns() },
    })
}

#[inline(always)]
fn set_port(ctx: *mut bpf_sock_addr, port: Port) {
    // SAFETY: the context is valid for as long as the program runs.
    unsafe { (*ctx).user_port = u32::from(port.be16()) };
}

/// connect() and sendto(): the backend instead of the frontend.
#[inline(always)]
fn out<P: Place>(ctx: *mut bpf_sock_addr) -> i32 {
    let Some(call) = call::<P>(ctx) else {
        return ALLOW;
    };
    match socket::dial(&Maps, &call) {
        Ok(choice) => {
            P::set(ctx, choice.backend.addr);
            set_port(ctx, choice.backend.port);
            account::count(Reason::SocketTranslated, 0);
            ALLOW
        }
        Err(Reason::NotService) => ALLOW,
        Err(reason) => {
            account::count(Reason::SocketRefused, 0);
            deny(if matches!(reason.kind(), Kind::Reject) {
                ECONNREFUSED
            } else {
                EHOSTUNREACH
            })
        }
    }
}

/// Fails the call with an error number, where the kernel lets us choose it.
#[inline(always)]
fn deny(error: i32) -> i32 {
    if frozen!(has_set_retval) != 0 {
        // SAFETY: a helper with a plain integer.
        let _failed: i32 = unsafe { bpf_set_retval(-error) };
    }
    DENY
}

/// recvfrom() and getpeername(): the frontend instead of the backend.
#[inline(always)]
fn back<P: Place>(ctx: *mut bpf_sock_addr) -> i32 {
    let Some(call) = call::<P>(ctx) else {
        return ALLOW;
    };
    if let Some(peer) = socket::dialled(&Maps, &call) {
        P::set(ctx, peer.addr);
        set_port(ctx, peer.port);
    }
    ALLOW
}
