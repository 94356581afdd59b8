//! A reader of OpenMetrics 1.0.0 that forgives nothing: what it refuses, Prometheus may refuse too.

use std::collections::{BTreeMap, BTreeSet};

/// A metric and all its samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Metric {
    pub(super) kind: String,
    pub(super) unit: String,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// In the order of the page.
pub(super) type Page = Vec<(String, Metric)>;

/// The page, or the first line that is wrong, and why.
pub(super) fn page(text: &str) -> Result<Page, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("no # EOF at the end")?;
    let mut page: Page = Vec::new();
    for line in body.lines() {
        let wrong = |why: &str| format!("{why}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no text"))?;
            if page.iter().any(|(it, _)| it == name) {
                return Err(wrong("twice"));
            }
            let help = help.to_owned();
            page.push((
                name.to_owned(),
                Metric {
                    help,
                    ..Metric::default()
                },
            ));
        } else if let Some(rest) = line.strip_prefix("# ") {
            let [word, name, value] = rest.split(' ').collect::<Vec<_>>()[..] else {
                return Err(wrong("not three words"));
            };
            let (last, metric) = page.last_mut().ok_or_else(|| wrong("before # HELP"))?;
            let is_early = metric.samples.is_empty() && name == last;
            match word {
                "TYPE" if is_early && metric.kind.is_empty() => value.clone_into(&mut metric.kind),
                "UNIT" if is_early && name.ends_with(&format!("_{value}")) => {
                    value.clone_into(&mut metric.unit);
                }
                _ => return Err(wrong("misplaced")),
            }
        } else {
            let sample = sample(line).map_err(|why| wrong(&why))?;
            let (name, metric) = page.last_mut().ok_or_else(|| wrong("before # HELP"))?;
            fits(name, metric, &sample).map_err(|why| wrong(&why))?;
            metric.samples.push(sample);
        }
    }
    page.iter()
        .try_for_each(|(name, metric)| whole(name, metric))?;
    Ok(page)
}

fn fits(name: &str, metric: &Metric, sample: &Sample) -> Result<(), String> {
    let suffix = sample
        .name
        .strip_prefix(name)
        .ok_or("another metric's name")?;
    let suffixes: &[&str] = match &*metric.kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_sum", "_count"],
        kind => return Err(format!("{kind:?} is no type")),
    };
    if !suffixes.contains(&suffix) {
        return Err(format!("{suffix:?} does not go with {}", metric.kind));
    }
    if metric.kind != "gauge" && sample.value.is_sign_negative() {
        return Err("negative".to_owned());
    }
    let is_same = |it: &Sample| it.name == sample.name && it.labels == sample.labels;
    if metric.samples.iter().any(is_same) {
        return Err("twice".to_owned());
    }
    Ok(())
}

/// Buckets of a histogram grow, and the last one has everything.
fn whole(name: &str, metric: &Metric) -> Result<(), String> {
    if metric.kind.is_empty() || metric.help.is_empty() {
        return Err(format!("{name} has no type or no help"));
    }
    if metric.kind != "histogram" {
        return Ok(());
    }
    let mut series: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
    for it in metric
        .samples
        .iter()
        .filter(|it| it.name.ends_with("_bucket"))
    {
        let mut labels = it.labels.clone();
        let le = labels.remove("le").ok_or("a bucket without le")?;
        let le = number(&le).ok_or("le is no number")?;
        series.entry(labels).or_default().push((le, it.value));
    }
    for (labels, buckets) in series {
        let is_sorted = buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        let total = metric
            .samples
            .iter()
            .find(|it| it.name.ends_with("_count") && it.labels == labels);
        let (le, all) = buckets.last().copied().unwrap_or_default();
        if !is_sorted || le.is_finite() || total.is_none_or(|it| it.value != all) {
            return Err(format!("{name}: buckets do not add up: {buckets:?}"));
        }
    }
    Ok(())
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, rest) = line.split_at(end);
    if !is_name(name) {
        return Err("not a name".to_owned());
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
    let value = number(value).ok_or("not a number")?;
    Ok(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// What stands between braces, and what comes behind them.
fn labels(text: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let (mut labels, mut rest) = (BTreeMap::new(), text);
    loop {
        let (name, behind) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name) || name.contains(':') {
            return Err(format!("{name:?} is no label"));
        }
        let mut value = String::new();
        let mut chars = behind.char_indices();
        let end = loop {
            match chars.next().ok_or("an open quote")? {
                (at, '"') => break at + 1,
                (_, '\\') => match chars.next().ok_or("an open quote")?.1 {
                    'n' => value.push('\n'),
                    it @ ('\\' | '"') => value.push(it),
                    it => return Err(format!("\\{it} means nothing")),
                },
                (_, it) => value.push(it),
            }
        };
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("{name} twice"));
        }
        rest = &behind[end..];
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok((labels, behind));
        }
        rest = rest.strip_prefix(',').ok_or("no comma between labels")?;
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |it: char| it.is_ascii_alphabetic() || it == '_' || it == ':';
    text.starts_with(is_letter) && text.chars().all(|it| is_letter(it) || it.is_ascii_digit())
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        _ => text.parse().ok().filter(|it: &f64| it.is_finite()),
    }
}

/// One line a metric: name, type, unit, labels and help.
pub(super) fn outline(page: &Page) -> String {
    let line = |(name, metric): &(String, Metric)| {
        let labels: BTreeSet<&str> = metric
            .samples
            .iter()
            .flat_map(|it| it.labels.keys().map(String::as_str))
            .filter(|label| *label != "le")
            .collect();
        let labels: Vec<&str> = labels.into_iter().collect();
        let Metric {
            kind, unit, help, ..
        } = metric;
        format!("{name} | {kind} | {unit} | {} | {help}\n", labels.join(" "))
    };
    page.iter().map(line).collect()
}
