//! A free number of a band, without a list of all numbers: an IPv6 block has more than fit anywhere.

use std::ops::Range;

use super::Random;

/// A free offset of the band: a random one, or the next free one behind it.
///
/// At most `taken` offsets may not be free, so one more look than that is enough.
pub(super) fn random(
    band: &Range<u128>,
    taken: usize,
    random: Random<'_>,
    is_free: impl Fn(u128) -> bool,
) -> Option<u128> {
    let len = band.end.checked_sub(band.start).filter(|&len| len > 0)?;
    let dice = u128::from(random()) << 64 | u128::from(random());
    let begin = dice % len;
    let looks = len.min(taken as u128 + 1);
    (0..looks)
        .map(|step| {
            // `begin + step` may be larger than any number.
            let to_the_end = len - begin;
            let offset = if step < to_the_end {
                begin + step
            } else {
                step - to_the_end
            };
            band.start + offset
        })
        .find(|&offset| is_free(offset))
}

/// The first free offset below `len`.
pub(super) fn first(len: u128, taken: usize, is_free: impl Fn(u128) -> bool) -> Option<u128> {
    (0..len.min(taken as u128 + 1)).find(|&offset| is_free(offset))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_free_offset_is_found_and_no_other() {
        for start in 0..4 {
            let mut taken = HashSet::new();
            let mut dice = 0_u64;
            while let Some(offset) = random(
                &(start..start + 7),
                taken.len(),
                &mut || {
                    dice += 5;
                    dice
                },
                |offset| !taken.contains(&offset),
            ) {
                assert!((start..start + 7).contains(&offset) && taken.insert(offset));
            }
            assert_eq!(taken.len(), 7);
        }
    }

    #[test]
    fn the_largest_band_wraps_around() {
        let all = random(&(0..u128::MAX), 1, &mut || u64::MAX, |offset| offset == 1);
        assert_eq!(
            all,
            Some(1),
            "u128::MAX % u128::MAX is 0, and 1 is the next"
        );
        let last = u128::MAX - 1;
        let mut words = [u64::MAX, u64::MAX - 1].into_iter();
        let next = || words.next().unwrap();
        assert_eq!(
            random(&(0..u128::MAX), 1, &mut { next }, |offset| offset != last),
            Some(0)
        );
    }

    #[test]
    fn an_empty_band_has_nothing() {
        assert_eq!(random(&(3..3), 0, &mut || 1, |_| true), None);
        assert_eq!(first(0, 0, |_| true), None);
        assert_eq!(first(4, 2, |offset| offset > 1), Some(2));
    }
}
