//! Plain bytes that may cross between kernel and user space.
//!
//! `bytemuck` refuses to derive `Pod` for generic structs unless they are packed, and a packed struct
//! would make the kernel's stack accesses unaligned. [`wire_struct`] therefore makes the derive's own
//! proof for each instantiation: the fields' sizes add up to the struct's size, so there is no padding.

/// A type that is safe to read from and write to a BPF map as bytes.
pub trait Wire: bytemuck::Pod {}

impl<T: bytemuck::Pod> Wire for T {}

/// Declares that each instantiation of a generic `repr(C)` struct is free of padding, and proves it.
macro_rules! wire_struct {
    (@field $address:ident A) => { $address };
    (@field $address:ident $kind:tt) => { $kind };
    ($name:ident<$v4:ty, $v6:ty> $fields:tt) => {
        wire_struct!(@one $name<$v4> $fields);
        wire_struct!(@one $name<$v6> $fields);
    };
    (@one $name:ident<$addr:ty> { $($field:ident: $kind:tt),+ $(,)? }) => {
        const _: () = {
            type Addr = $addr;
            const SUM: usize = 0 $(+ size_of::<wire_struct!(@field Addr $kind)>())+;
            assert!(size_of::<$name<Addr>>() == SUM, "the struct has padding");
            // Naming every field: one that is added to the struct must be added to the sum.
            const fn all_fields_are_counted(value: &$name<Addr>) {
                let $name { $($field: _),+ } = value;
            }
            let _counted: fn(&$name<Addr>) = all_fields_are_counted;
        };
        #[expect(unsafe_code, reason = "the derive's proof, made by hand for a generic struct")]
        // SAFETY: all fields are `Zeroable`.
        unsafe impl bytemuck::Zeroable for $name<$addr> {}
        #[expect(unsafe_code, reason = "the derive's proof, made by hand for a generic struct")]
        // SAFETY: `repr(C)`, `Copy`, every field is `Pod`, and the assertion above rules out padding.
        unsafe impl bytemuck::Pod for $name<$addr> {}
    };
}
pub(crate) use wire_struct;
