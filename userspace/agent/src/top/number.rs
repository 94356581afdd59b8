//! Numbers in few characters.

const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];

/// At most five characters, with three digits that count: `0`, `0.3`, `7.2`, `123`, `1.23k`, `45.6M`.
pub(super) fn short(value: f64) -> String {
    if value.is_nan() || value < 0.05 {
        return "0".to_owned();
    }
    if value < 9.95 {
        return format!("{value:.1}");
    }
    if value < 999.5 {
        return format!("{value:.0}");
    }
    let mut value = value / 1000.0;
    for unit in UNITS {
        match value {
            value if value < 9.995 => return format!("{value:.2}{unit}"),
            value if value < 99.95 => return format!("{value:.1}{unit}"),
            value if value < 999.5 => return format!("{value:.0}{unit}"),
            _ => value /= 1000.0,
        }
    }
    "huge".to_owned()
}

/// A count, in full while that is short.
pub(super) fn count(value: u64) -> String {
    if value < 100_000 {
        value.to_string()
    } else {
        // Three digits are shown.
        short(value as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_shown_and_never_more_than_five_characters() {
        let shown = [
            0.0, 0.04, 0.25, 7.24, 9.96, 123.4, 999.6, 1234.0, 9996.0, 45_600.0, 999_600.0, 2.5e9,
        ];
        let texts = shown.map(short);
        assert_eq!(
            texts,
            [
                "0", "0", "0.2", "7.2", "10", "123", "1.00k", "1.23k", "10.0k", "45.6k", "1.00M",
                "2.50G"
            ]
        );
        let mut value = 0.01;
        while value < 1e20 {
            assert!(short(value).len() <= 5, "{value}: {}", short(value));
            value *= 1.37;
        }
    }

    #[test]
    fn what_is_no_number_is_nothing() {
        assert_eq!(short(f64::NAN), "0");
        assert_eq!(short(-1.0), "0");
        assert_eq!(short(f64::INFINITY), "huge");
    }

    #[test]
    fn counts_are_shown_in_full_while_they_are_short() {
        assert_eq!(count(0), "0");
        assert_eq!(count(99_999), "99999");
        assert_eq!(count(100_000), "100k");
        assert_eq!(count(u64::MAX), "18.4E");
    }
}
