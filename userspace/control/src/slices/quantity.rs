//! Kubernetes' way to write amounts: `4`, `3920m`, `1.5Ki`, `1e3`.

/// The amount; none if it is not one.
pub(super) fn value(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let suffix = text.get(number.len()..)?;
    // What follows an exponent is a number, so nothing of it was taken off: `1e3` is whole here.
    let amount: f64 = number.parse().ok()?;
    let amount = amount * factor(suffix)?;
    (amount.is_finite() && amount >= 0.0).then_some(amount)
}

fn factor(suffix: &str) -> Option<f64> {
    let power = |base: f64, exponent: i32| Some(base.powi(exponent));
    match suffix {
        "n" => power(1000.0, -3),
        "u" => power(1000.0, -2),
        "m" => power(1000.0, -1),
        "" => Some(1.0),
        "k" => power(1000.0, 1),
        "M" => power(1000.0, 2),
        "G" => power(1000.0, 3),
        "T" => power(1000.0, 4),
        "P" => power(1000.0, 5),
        "E" => power(1000.0, 6),
        "Ki" => power(1024.0, 1),
        "Mi" => power(1024.0, 2),
        "Gi" => power(1024.0, 3),
        "Ti" => power(1024.0, 4),
        "Pi" => power(1024.0, 5),
        "Ei" => power(1024.0, 6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn amounts_are_read_with_their_suffix() {
        for (text, expected) in [
            ("4", Some(4.0)),
            ("3920m", Some(3.92)),
            ("0.5", Some(0.5)),
            ("1e3", Some(1000.0)),
            ("2k", Some(2000.0)),
            ("1.5Ki", Some(1536.0)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("4 cores", None),
            ("inf", None),
            ("1x", None),
        ] {
            let close = |value: f64| expected.is_some_and(|it: f64| (value - it).abs() < 1e-9);
            assert_eq!(value(text).map(close), expected.map(|_| true), "{text:?}");
        }
    }
}
