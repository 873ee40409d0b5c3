//! The page of all metrics, out of their one table: `docs/reference/metrics.md`.

use std::fmt::Write;

use super::definitions::{ALL, Definition, Label, MOST_NAMES, MOST_RESOURCES, Type};

/// Where the page is kept.
pub const FILE: &str = "docs/reference/metrics.md";

const HEAD: &str = "\
<!-- Generated from src/metrics/definitions.rs by `make generate`. Change that, not this file. -->

# Metrics

`dislodge controller` serves them at `/metrics` of `--metrics-address` (default `0.0.0.0:8080`, `off` for none), in the
OpenMetrics text format. They begin at 0 with each process.

- **Several replicas.** All of them count failed pulls, the one that acts tells of them. Counters and histograms of
  decisions, failed pulls, audit and quota grow on that replica alone, so `sum` over all replicas is right. Gauges of
  jobs, queues and policies stand on each replica alike: take `max`, not `sum`.
- **Labels of its own.** `namespace` is that of a policy or queue, not of Dislodge's Pod: scrape with `honorLabels: true`,
  else Prometheus renames it to `exported_namespace`.
- **How fresh.** Gauges and sums of quota are taken every 5 s.";

/// The page as Markdown.
pub fn page() -> String {
    let mut page = format!("{HEAD}\n\n{}\n\n{}\n", bounds(), overview());
    for definition in ALL {
        page.push_str(&section(&definition));
    }
    page
}

/// How many series there can be at most.
fn bounds() -> String {
    let series: usize = ALL.iter().map(Definition::most_series).sum();
    let chosen: usize = ALL.iter().filter(|of| has_names(of)).map(Definition::most_series).sum();
    format!(
        "Series are bounded: no label names a job, a Pod, an image or a host. At most {MOST_NAMES} queues, {MOST_NAMES} \
         policies and {MOST_RESOURCES} resources have series of their own, in the order in which they were seen; all others \
         together are `overflow`. Every combination of labels together would make {series} series, a histogram counted \
         as one; {} of them are of words in closed sets, most of which never occur.",
        series - chosen
    )
}

fn has_names(of: &Definition) -> bool {
    of.labels.iter().any(|label| label.name == "namespace")
}

fn overview() -> String {
    let mut table = "| Metric | Type | Unit | Labels |\n|---|---|---|---|".to_owned();
    for of in ALL {
        let labels: Vec<String> =
            of.labels.iter().map(|label| format!("`{}`", label.name)).collect();
        // Writing to a string cannot fail.
        let _ = write!(
            table,
            "\n| [`{}`](#{}) | {} | {} | {} |",
            of.name,
            of.name,
            of.kind.as_str(),
            unit(&of),
            labels.join(", ")
        );
    }
    table
}

fn unit(of: &Definition) -> &'static str {
    match (of.unit, of.kind) {
        (Some(unit), _) => unit,
        (None, Type::Info) => "",
        (None, Type::Counter | Type::Gauge | Type::Histogram) => "1",
    }
}

fn section(of: &Definition) -> String {
    let mut text = format!("\n## {}\n\n{}.\n", of.name, of.help);
    if !of.labels.is_empty() {
        let rows: Vec<String> = of.labels.iter().map(row).collect();
        let _ = write!(text, "\n{}\n", rows.join("\n"));
    }
    if !of.alerts.is_empty() {
        let links: Vec<String> =
            of.alerts.iter().map(|alert| format!("[{alert}](../runbooks/{alert}.md)")).collect();
        let _ = write!(text, "\nAlerts: {}.\n", links.join(", "));
    }
    text
}

fn row(label: &Label) -> String {
    format!("- `{}`: {}.", label.name, label.meaning)
}
