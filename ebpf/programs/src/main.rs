//! The eBPF entries of tidegate.
//!
//! Glue only: the journey is in `tidegate-datapath`; this crate answers its questions with pointers, maps
//! and helpers, and turns its verdict into a return code. All kernel-side `unsafe` is in [`packet`],
//! [`tables`], [`world`] and [`socket`], each block with the fact that makes it true.
#![no_std]
#![no_main]
#![expect(
    unstable_features,
    reason = "inline assembly for BPF is not stable yet; see `packet`"
)]
#![feature(asm_experimental_arch)]

mod maps;
mod packet;
mod tables;
mod hops;
mod world;
mod account;
mod apart;
mod xdp;
mod tc;
mod aside;
mod held;
mod sweep;
mod ask;
mod socket;

/// A reachable panic is an endless loop, which the verifier refuses to load: keep it so.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
