//! What attackers and accidents do. `TIDEGATE_SOAK=1` makes all of it longer.

mod churn;
mod flood;
mod noise;
mod vitals;

/// The number for a test among others, or the one for a soak.
pub(crate) fn scaled(short: u32, long: u32) -> u32 {
    if std::env::var_os("TIDEGATE_SOAK").is_some() {
        long
    } else {
        short
    }
}
