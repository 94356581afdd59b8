//! The two text formats: OpenMetrics 1.0.0, and the older one of Prometheus (0.0.4) for everybody else.

use std::fmt::Write as _;

const OPEN_METRICS: &str = "application/openmetrics-text";
const PLAIN: &str = "text/plain";

/// How a page is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    OpenMetrics,
    Plain,
}

impl Format {
    /// The `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// What an `Accept` header likes best. Who asks for nothing in particular, as a person with curl, gets the
    /// older format, which every reader understands.
    pub(super) fn accepted(accept: &str) -> Self {
        let (mut open, mut plain) = (0.0, 0.0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0_f32, None);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            if kind == OPEN_METRICS && matches!(version, None | Some("1.0.0")) {
                open = quality.max(open);
            } else if kind == PLAIN && matches!(version, None | Some("0.0.4")) {
                plain = quality.max(plain);
            }
        }
        if open > 0.0 && open >= plain {
            Self::OpenMetrics
        } else {
            Self::Plain
        }
    }
}

/// The older format of an OpenMetrics page: a counter is named like its samples, and there are neither units nor
/// infos nor an end.
pub(super) fn plain(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    let mut help = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = typed(line) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            // Writing to memory does not fail.
            if let Some((_, help)) = help.take() {
                let _always = writeln!(text, "# HELP {name}{suffix} {help}");
            }
            let _always = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn typed(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("# TYPE ")?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_the_format_that_it_likes_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        for accept in [
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; version=\"1.0.0\"",
        ] {
            assert_eq!(Format::accepted(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html, text/plain",
            "text/plain;version=0.0.4, application/openmetrics-text;q=0.9",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=high",
            ";;=,,;q",
        ] {
            assert_eq!(Format::accepted(accept), Format::Plain, "{accept}");
        }
    }

    #[test]
    fn the_older_format_names_a_counter_like_its_samples() {
        let page = "# HELP a_bytes What.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\na_bytes_total{x=\"# TYPE\"} 1\n# HELP b B.\n# TYPE b info\nb_info{v=\"1\"} 1\n# HELP c C.\n# TYPE c gauge\nc 1\n# EOF\n";
        let expected = "# HELP a_bytes_total What.\n# TYPE a_bytes_total counter\na_bytes_total{x=\"# TYPE\"} 1\n# HELP b_info B.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n# HELP c C.\n# TYPE c gauge\nc 1\n";
        assert_eq!(plain(page), expected);
    }
}
