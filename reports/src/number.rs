//! Numbers as people read them. Verified by examples.

/// A count with its digits in groups of three: `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of things by name: `1 run`, `2 runs`.
pub(crate) fn of(value: u64, thing: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", short_count(value))
}

/// Three significant digits and a prefix: `2.35 M`.
pub(crate) fn short(value: f64) -> String {
    let steps = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];
    let rounded = digits(value).parse::<f64>().unwrap_or(value);
    match steps.iter().find(|(step, _)| rounded.abs() >= *step) {
        Some((step, prefix)) if rounded.abs() < 1e15 => digits(value / step) + prefix,
        _ => digits(value),
    }
}

/// A count, in full up to a million and with a prefix beyond.
pub(crate) fn short_count(value: u64) -> String {
    if value < 1_000_000 { count(value) } else { short(value as f64) }
}

/// Three significant digits, without an exponent where that is readable.
fn digits(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "–".to_owned();
    }
    match size {
        0.0 => "0".to_owned(),
        _ if !(1e-4..1e15).contains(&size) => format!("{value:.2e}"),
        _ if size >= 99.95 => format!("{:.0}", three(value)),
        _ if size >= 9.995 => format!("{value:.1}"),
        _ if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.*}", (2.0 - size.log10().floor()).clamp(2.0, 7.0) as usize),
    }
}

/// Rounded to three significant digits.
fn three(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// A span of time given in seconds.
pub(crate) fn seconds(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "–".to_owned(),
        _ if value.abs() < 1.0 => nanoseconds(value * 1e9),
        _ if value < 119.5 => digits(value) + " s",
        _ if value < 7200.0 => {
            format!("{} min {:02} s", value.round() as u64 / 60, value.round() as u64 % 60)
        }
        _ => format!("{} h {:02} min", value as u64 / 3600, value as u64 / 60 % 60),
    }
}

/// A span of time given in nanoseconds.
pub(crate) fn nanoseconds(value: f64) -> String {
    match value.abs() {
        size if size < 999.5 => digits(value) + " ns",
        size if size < 999.5e3 => digits(value / 1e3) + " µs",
        size if size < 999.5e6 => digits(value / 1e6) + " ms",
        _ => digits(value / 1e9) + " s",
    }
}

/// A value in its unit: nanoseconds get a prefix, other units are written behind.
pub(crate) fn in_unit(value: f64, unit: &str) -> String {
    match unit {
        "ns" => nanoseconds(value),
        "s" => seconds(value),
        "" => short(value),
        _ => format!("{} {unit}", short(value)),
    }
}

/// An amount of memory.
pub(crate) fn bytes(value: u64) -> String {
    let (size, unit) = match value {
        0..1024 => return format!("{value} B"),
        0x400..0x10_0000 => (10, "KiB"),
        0x10_0000..0x4000_0000 => (20, "MiB"),
        _ => (30, "GiB"),
    };
    format!("{} {unit}", digits(value as f64 / f64::from(1 << size)))
}

/// A ratio: `1.23×`.
pub(crate) fn ratio(value: f64) -> String {
    digits(value) + "×"
}

/// A ratio in two digits, for headlines: `1.2×`.
pub(crate) fn short_ratio(value: f64) -> String {
    let rounded = format!("{value:.1e}").parse::<f64>().unwrap_or(value);
    if (0.1..10.0).contains(&rounded) { format!("{rounded}×") } else { round(&ratio(rounded)) }
}

/// A share of one as a percentage.
pub(crate) fn percent(share: f64) -> String {
    round(&(digits(share * 100.0) + " %"))
}

/// The same figure without zeros after the point, for round values: `2.00 M` becomes `2 M`.
pub(crate) fn round(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
    let (figure, unit) = text.split_at(end);
    let figure =
        if figure.contains('.') { figure.trim_end_matches('0').trim_end_matches('.') } else { figure };
    figure.to_owned() + unit
}

/// A small probability as a power of ten.
pub(crate) fn probability(value: f64) -> String {
    let text = format!("{value:.0e}");
    match text.split_once('e') {
        Some((figure, exponent)) if value > 0.0 => format!("{figure} · 10{}", superscript(exponent)),
        _ => "0".to_owned(),
    }
}

/// A probability that may be any: a percentage, a power of ten below one in a thousand, and as good as none.
pub(crate) fn small(value: f64) -> String {
    match value {
        _ if value >= 1e-3 => percent(value),
        _ if value >= 1e-9 => probability(value),
        _ => "< 10⁻⁹".to_owned(),
    }
}

/// The digits of a whole number as an exponent.
fn superscript(number: &str) -> String {
    let raised = |digit| match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        // The others stand in a row.
        digit => digit.to_digit(10).and_then(|digit| char::from_u32('⁰' as u32 + digit)).unwrap_or(digit),
    };
    number.chars().map(raised).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_probabilities_are_powers_of_ten() {
        for (value, text) in [(1.7e-7, "2 · 10⁻⁷"), (3e-10, "3 · 10⁻¹⁰"), (2.2e-12, "2 · 10⁻¹²"), (0.0, "0")]
        {
            assert_eq!(probability(value), text);
        }
        assert_eq!([0.5, 0.0012, 2e-5, 0.0].map(small), ["50 %", "0.12 %", "2 · 10⁻⁵", "< 10⁻⁹"]);
    }

    #[test]
    fn numbers_as_people_read_them() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(count(value), text);
        }
        for (value, text) in [
            (0.0, "0"),
            (0.1234, "0.123"),
            (0.0625, "0.0625"),
            (0.003_906, "0.00391"),
            (1.0, "1.00"),
            (9.996, "10.0"),
            (99.96, "100"),
            (999.6, "1.00 k"),
            (2_345_678.0, "2.35 M"),
            (-1500.0, "-1.50 k"),
            (1e16, "1.00e16"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(short(value), text, "{value}");
        }
        for (value, text) in
            [(0.0012, "1.20 ms"), (59.94, "59.9 s"), (200.0, "3 min 20 s"), (7260.0, "2 h 01 min")]
        {
            assert_eq!(seconds(value), text);
        }
        for (value, text) in [(12, "12 B"), (1536, "1.50 KiB"), (3 << 30, "3.00 GiB")] {
            assert_eq!(bytes(value), text);
        }
        assert_eq!((in_unit(1500.0, "ns"), in_unit(3.0, "ticks")), ("1.50 µs".into(), "3.00 ticks".into()));
        assert_eq!(["2.00 M", "100 µs", "0.250×", "20 s"].map(round), ["2 M", "100 µs", "0.25×", "20 s"]);
        assert_eq!([0.964, 3.54, 12.3, 0.0512].map(short_ratio), ["0.96×", "3.5×", "12×", "0.051×"]);
        assert_eq!((of(1, "run"), of(2000, "run")), ("1 run".into(), "2,000 runs".into()));
        assert_eq!(
            (ratio(1.234), percent(0.5), percent(0.123), short_count(2_000_000)),
            ("1.23×".into(), "50 %".into(), "12.3 %".into(), "2.00 M".into())
        );
    }
}
