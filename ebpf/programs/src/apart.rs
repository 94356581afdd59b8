//! Functions that the verifier looks at once, by themselves.
//!
//! A function with a name of its own in the object is *global* to the verifier: it walks it once, for any numbers
//! that its parameters might be, and at each call only checks that they are numbers. Any other function it walks
//! again at each call, in each state in which the caller gets there, so that states multiply. Two prices: what the
//! caller knows of a number is forgotten, and a parameter can be the context or a number, nothing else.

use tidegate_datapath::Role;

/// No IP header begins later: an Ethernet header and two tags have 22 bytes.
const L3_MOST: u32 = 31;

/// Declares global functions, one a family, around a generic one: `Parts` dispatches to them.
macro_rules! parts {
    ($parts:ident of $context:ty: $($step:ident($($arg:ident),*) as $v4:ident, $v6:ident;)+) => {
        /// The steps, each a global function.
        pub(crate) trait $parts {
            $(fn $step(context: *mut $context $(, $arg: u32)*) -> i32;)+
        }

        crate::apart::parts!(@ Ip4, $parts of $context: $($step($($arg),*) as $v4;)+);
        crate::apart::parts!(@ Ip6, $parts of $context: $($step($($arg),*) as $v6;)+);
    };
    (@ $family:ident, $parts:ident of $context:ty: $($step:ident($($arg:ident),*) as $name:ident;)+) => {
        impl $parts for $family {$(
            #[inline(always)]
            fn $step(context: *mut $context $(, $arg: u32)*) -> i32 {
                #[unsafe(no_mangle)]
                #[inline(never)]
                extern "C" fn $name(context: *mut $context $(, $arg: u32)*) -> i32 {
                    $step::<$family>(context $(, $arg)*)
                }
                $name(context $(, $arg)*)
            }
        )+}
    };
}

pub(crate) use parts;

/// The offset of the IP header, where the verifier knows no more of it than that it is a number.
#[inline(always)]
pub(crate) fn l3(number: u32) -> usize {
    (number & L3_MOST) as usize
}

/// The role that is `role as u32`.
#[inline(always)]
pub(crate) fn role(number: u32) -> Role {
    match number {
        it if it == Role::Pod as u32 => Role::Pod,
        it if it == Role::Overlay as u32 => Role::Overlay,
        _ => Role::Uplink,
    }
}
