//! Whether a program is static: asked of the ELF file itself, since `ldd` would have to run it.

use anyhow::{Context as _, Result, ensure};

/// A program header that names the dynamic linker.
const PT_INTERP: u32 = 3;

/// Fails unless the program runs without a dynamic linker.
pub(super) fn require_static(elf: &[u8]) -> Result<()> {
    match interpreter(elf).context("the binary is no complete 64-bit ELF file")? {
        None => Ok(()),
        Some(name) => {
            anyhow::bail!("the binary is not static: it asks for the dynamic linker {name}")
        }
    }
}

/// The dynamic linker that the program asks for.
fn interpreter(elf: &[u8]) -> Result<Option<String>> {
    const MAGIC_64_LITTLE: &[u8] = b"\x7fELF\x02\x01";
    ensure!(
        elf.starts_with(MAGIC_64_LITTLE),
        "no 64-bit little-endian ELF"
    );
    let table = number::<8>(elf, 32)?;
    let size = number::<2>(elf, 54)?;
    let count = number::<2>(elf, 56)?;
    ensure!(count > 0, "no program headers");
    for index in 0..count {
        let header = table + index * size;
        if number::<4>(elf, header)? == u64::from(PT_INTERP) {
            let start = usize::try_from(number::<8>(elf, header + 8)?)?;
            let len = usize::try_from(number::<8>(elf, header + 32)?)?;
            let name = elf.get(start..).and_then(|rest| rest.get(..len));
            let name = String::from_utf8_lossy(name.context("cut off")?);
            return Ok(Some(name.trim_end_matches('\0').to_owned()));
        }
    }
    Ok(None)
}

/// A little-endian number of N bytes.
fn number<const N: usize>(elf: &[u8], at: u64) -> Result<u64> {
    let at = usize::try_from(at)?;
    let field = elf.get(at..).and_then(|rest| rest.get(..N));
    let mut bytes = [0; 8];
    bytes[..N].copy_from_slice(field.context("cut off")?);
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with one program header of this kind.
    fn with_header(kind: u32) -> Vec<u8> {
        let mut elf = b"\x7fELF\x02\x01".to_vec();
        elf.resize(64 + 56, 0);
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64..68].copy_from_slice(&kind.to_le_bytes());
        elf
    }

    #[test]
    fn a_program_that_asks_for_a_dynamic_linker_is_refused_by_its_name() {
        // Tests are linked dynamically.
        let own = std::fs::read("/proc/self/exe").unwrap();
        let error = require_static(&own).unwrap_err().to_string();
        assert!(
            error.contains("not static") && error.contains("/ld"),
            "{error}"
        );
    }

    #[test]
    fn a_program_without_an_interpreter_is_static() {
        require_static(&with_header(1)).unwrap();
        assert!(require_static(&with_header(PT_INTERP)).is_err());
    }

    #[test]
    fn what_is_no_program_is_refused_and_never_panics() {
        let whole = with_header(1);
        for len in 0..whole.len() - 52 {
            assert!(require_static(&whole[..len]).is_err(), "{len} bytes");
        }
        assert!(require_static(b"#!/bin/sh\n").is_err());
    }
}
