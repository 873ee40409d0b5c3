//! A strict reader of the OpenMetrics text format (OpenMetrics 1.0, "Text format"): it refuses what
//! Prometheus would only put up with.

use std::collections::{BTreeMap, BTreeSet};

/// A metric family.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) unit: Option<String>,
    pub(super) help: String,
    pub(super) samples: Vec<Sample>,
}

/// One line with a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// Reads a whole exposition.
pub(super) fn read(text: &str) -> Result<Vec<Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with # EOF")?;
    let mut families: Vec<Family> = Vec::new();
    let mut series = BTreeSet::new();
    for line in body.lines() {
        let read = match line.strip_prefix("# ") {
            Some(metadata) => describe(metadata, &mut families),
            None => sample(line).and_then(|sample| {
                if !series.insert((sample.name.clone(), sample.labels.clone())) {
                    return Err("a series appears twice".to_owned());
                }
                let family = families.last_mut().ok_or("a sample before any family")?;
                belongs(&sample, family)?;
                family.samples.push(sample);
                Ok(())
            }),
        };
        read.map_err(|error| format!("{error}: {line:?}"))?;
    }
    for family in &families {
        check(family).map_err(|error| format!("{}: {error}", family.name))?;
    }
    Ok(families)
}

fn describe(line: &str, families: &mut Vec<Family>) -> Result<(), String> {
    let mut words = line.splitn(3, ' ');
    let (Some(what), Some(name), Some(text)) = (words.next(), words.next(), words.next()) else {
        return Err("metadata of less than three words".to_owned());
    };
    if families.last().is_none_or(|family| family.name != name) {
        if families.iter().any(|family| family.name == name) {
            return Err("a family is interrupted, or told twice".to_owned());
        }
        let (kind, help) = (String::new(), String::new());
        let (name, unit, samples) = (name.to_owned(), None, Vec::new());
        families.push(Family { name, kind, unit, help, samples });
    }
    let family = families.last_mut().ok_or("no family")?;
    if !family.samples.is_empty() {
        return Err("metadata behind a sample".to_owned());
    }
    match what {
        "TYPE" if family.kind.is_empty() => text.clone_into(&mut family.kind),
        "HELP" if family.help.is_empty() => text.clone_into(&mut family.help),
        "UNIT" if family.unit.is_none() => family.unit = Some(text.to_owned()),
        _ => return Err("metadata that is unknown or told twice".to_owned()),
    }
    Ok(())
}

fn sample(line: &str) -> Result<Sample, String> {
    let end = line.find(['{', ' ']).ok_or("a sample without a value")?;
    let (name, mut rest) = line.split_at(end);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_name) {
        return Err("no name of a metric".to_owned());
    }
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").ok_or("a label without a value")?;
            if label.is_empty() || !label.chars().all(is_name) {
                return Err("no name of a label".to_owned());
            }
            let (value, behind) = quoted(value)?;
            if labels.insert(label.to_owned(), value).is_some() {
                return Err("a label stands twice".to_owned());
            }
            if let Some(next) = behind.strip_prefix(',') {
                rest = next;
            } else {
                rest = behind.strip_prefix('}').ok_or("labels that do not end")?;
                break;
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    let value = value.parse().map_err(|_| "a value that is no number, or something behind it")?;
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// The text up to the quote that ends it, and what follows.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                _ => return Err("a backslash that escapes nothing".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("a value that does not end".to_owned())
}

/// Whether a sample may stand under its family.
fn belongs(sample: &Sample, family: &Family) -> Result<(), String> {
    let suffix = sample.name.strip_prefix(&family.name).ok_or("a sample of another family")?;
    let allowed: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_count", "_sum"],
        "info" => &["_info"],
        _ => return Err("a family without a type".to_owned()),
    };
    if !allowed.contains(&suffix) {
        return Err(format!("no name of a {}", family.kind));
    }
    let counts = matches!(suffix, "_total" | "_bucket" | "_count");
    if counts && !(sample.value.is_finite() && sample.value >= 0.0) {
        return Err("a count that is none".to_owned());
    }
    if suffix == "_info" && sample.value.total_cmp(&1.0).is_ne() {
        return Err("an info that is not 1".to_owned());
    }
    if (suffix == "_bucket") != sample.labels.contains_key("le") {
        return Err("le belongs to buckets, and only to them".to_owned());
    }
    Ok(())
}

fn check(family: &Family) -> Result<(), String> {
    if family.kind.is_empty() || family.help.is_empty() || family.samples.is_empty() {
        return Err("type, help or samples are missing".to_owned());
    }
    if let Some(unit) = &family.unit
        && !family.name.ends_with(&format!("_{unit}"))
    {
        return Err("the unit is no part of the name".to_owned());
    }
    if family.kind == "histogram" { check_histogram(family) } else { Ok(()) }
}

fn check_histogram(family: &Family) -> Result<(), String> {
    let mut metrics: BTreeMap<BTreeMap<String, String>, Vec<&Sample>> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        labels.remove("le");
        metrics.entry(labels).or_default().push(sample);
    }
    for samples in metrics.values() {
        let of = |suffix: &'static str| samples.iter().filter(move |s| s.name.ends_with(suffix));
        let (mut below, mut least) = (0.0, f64::NEG_INFINITY);
        for bucket in of("_bucket") {
            let le: f64 = bucket.labels["le"].parse().map_err(|_| "le is no number")?;
            if le <= least || bucket.value < below {
                return Err("buckets that do not grow".to_owned());
            }
            (below, least) = (bucket.value, le);
        }
        let counts: Vec<f64> = of("_count").map(|s| s.value).collect();
        if least < f64::INFINITY || counts != [below] || of("_sum").count() != 1 {
            return Err("no +Inf, or it is not the count, or no sum".to_owned());
        }
    }
    Ok(())
}

#[test]
fn what_is_not_in_the_format_is_refused() {
    let good = "# HELP a_seconds x.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n\
                a_seconds_total{l=\"a\\\"\\\\\\n\"} 1.5\n# EOF\n";
    let families = read(good).unwrap();
    assert_eq!(families[0].samples[0].labels["l"], "a\"\\\n");
    for (from, to) in [
        ("# EOF\n", ""),
        ("# EOF\n", "# EOF\n\n"),
        ("# HELP", "\n# HELP"),
        ("# HELP a_seconds x.\n", ""),
        ("counter", "gauge"),
        ("_total", ""),
        ("a_seconds_total", "b_total"),
        ("} 1.5", "} -1"),
        ("} 1.5", "} NaN"),
        ("} 1.5", "} 1.5 # {} 1"),
        ("seconds\na", "minutes\na"),
        ("{l=\"a", "{l=\"a\",l=\"b"),
        ("\\n", "\\t"),
        ("# EOF", "a_seconds_total{l=\"a\\\"\\\\\\n\"} 2\n# EOF"),
        ("# EOF", "# TYPE a_seconds counter\n# EOF"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from} is not there");
        assert!(read(&bad).is_err(), "{bad}");
    }
    let histogram = "# HELP h x.\n# TYPE h histogram\nh_sum 3.0\nh_count 2\n\
                     h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n# EOF\n";
    read(histogram).unwrap();
    for (from, to) in [
        ("h_count 2", "h_count 3"),
        ("h_bucket{le=\"+Inf\"} 2\n", ""),
        ("le=\"1.0\"} 1", "le=\"1.0\"} 3"),
        ("h_sum 3.0\n", ""),
    ] {
        assert!(read(&histogram.replacen(from, to, 1)).is_err(), "{to}");
    }
}
