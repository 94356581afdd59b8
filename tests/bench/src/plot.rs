//! Bar charts of what was measured, as SVG files.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

use crate::report::Row;

/// Sizes in pixels.
const NAMES: f64 = 330.0;
const BARS: f64 = 420.0;
const VALUES: f64 = 110.0;
const LINE: f64 = 18.0;

/// The words of a row that say which chart, which group of bars, and which bar it is.
struct Place {
    chart: String,
    group: String,
    bar: String,
}

/// A chart for each section, or for each quantity of it, into a directory.
pub(crate) fn write(rows: &[Row], into: &Path) -> Result<()> {
    fs::create_dir_all(into).with_context(|| into.display().to_string())?;
    let mut charts: Vec<(String, Vec<(Place, &Row)>)> = Vec::new();
    for row in rows {
        let place = place(row);
        match charts.iter_mut().find(|(name, _)| *name == place.chart) {
            Some((_, bars)) => bars.push((place, row)),
            None => charts.push((place.chart.clone(), vec![(place, row)])),
        }
    }
    for (name, bars) in charts {
        let path = into.join(format!("{}.svg", name.replace([' ', '.'], "-")));
        fs::write(&path, chart(&name, &bars)).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn place(row: &Row) -> Place {
    let words = &row.what;
    let last = words.len() - 1;
    match row.section {
        // Program, family, transport, kind, place, flows.
        "program" => Place {
            chart: format!("program {}", words[1]),
            group: [&words[0], &words[2], &words[3], &words[4]]
                .map(String::as_str)
                .join(" "),
            bar: format!("{} flows", words[last]),
        },
        // Road, way, quantity.
        "tcp" => Place {
            chart: format!("tcp {}", words[last]),
            group: words[0].clone(),
            bar: words[1].clone(),
        },
        // Place, kind of flows, way.
        section => Place {
            chart: section.to_owned(),
            group: words[..last].join(", "),
            bar: words[last].clone(),
        },
    }
}

fn chart(name: &str, bars: &[(Place, &Row)]) -> String {
    let most = bars
        .iter()
        .map(|(_, row)| row.value)
        .fold(f64::MIN_POSITIVE, f64::max);
    let (mut body, mut y, mut group) = (String::new(), 2.0 * LINE, "");
    for (place, row) in bars {
        if place.group != group {
            group = &place.group;
            y += LINE / 2.0;
            text(&mut body, 4.0, y, "g", group);
            y += LINE;
        }
        let kind = if place.bar.starts_with("tidegate") {
            "t"
        } else {
            "o"
        };
        let width = row.value / most * BARS;
        text(&mut body, 20.0, y, "", &place.bar);
        let top = y - LINE * 0.75;
        let height = LINE * 0.8;
        let _fits = writeln!(
            body,
            r#"<rect class="{kind}" x="{NAMES}" y="{top:.1}" width="{width:.1}" height="{height:.1}"/>"#
        );
        let value = if row.value < 10.0 {
            format!("{:.2}", row.value)
        } else {
            format!("{:.0}", row.value)
        };
        text(
            &mut body,
            NAMES + width + 6.0,
            y,
            "",
            &format!("{value} {}", row.unit),
        );
        y += LINE;
    }
    let width = NAMES + BARS + VALUES;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {y}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <style>text{{fill:#222}} .g{{font-weight:bold}} .t{{fill:#1f77b4}} .o{{fill:#9aa5b1}} \
         @media(prefers-color-scheme:dark){{text{{fill:#ddd}}}}</style>\n\
         <text x=\"4\" y=\"{LINE}\" class=\"g\" font-size=\"14\">{}</text>\n{body}</svg>\n",
        escaped(name)
    )
}

fn text(body: &mut String, x: f64, y: f64, class: &str, words: &str) {
    let words = escaped(words);
    let _fits = writeln!(
        body,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{words}</text>"#
    );
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;")
}
