//! A Job as `kubectl describe` shows it: what of it its owner needs here.

use std::time::Duration;

use serde_json::Value;

use super::shell::Shell;
use super::story::text;

/// A line, and how far the text that does not fit into it goes in.
pub(crate) struct Line {
    pub(crate) indent: usize,
    pub(crate) text: String,
}

/// The lines for a Job and the Events about it.
pub(crate) fn describe(job: &Value, events: &[Value], now: Duration, shell: &Shell) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = |indent: usize, text: String| lines.push(Line { indent, text });
    let metadata = &job["metadata"];
    line(0, format!("Name:           {}", text(&metadata["name"])));
    line(0, format!("Namespace:      {}", text(&metadata["namespace"])));
    line(0, "Annotations:".to_owned());
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        line(2, format!("  {key}: {}", text(value)));
    }
    line(0, format!("Suspend:        {}", job["spec"]["suspend"]));
    let status = &job["status"];
    let count = |field: &str| status[field].as_u64().unwrap_or(0);
    line(
        0,
        format!(
            "Pods Statuses:  {} Active / {} Succeeded / {} Failed",
            count("active"),
            count("succeeded"),
            count("failed")
        ),
    );
    line(0, "Events:".to_owned());
    for event in events {
        let at = text(&event["eventTime"]).parse().map(|at| shell.age_at(at));
        let age = now.saturating_sub(at.unwrap_or(now)).as_secs() / 60;
        line(
            2,
            format!(
                "  {} {} {age}m {}: {}",
                text(&event["type"]),
                text(&event["reason"]),
                text(&event["reportingController"]),
                text(&event["note"])
            ),
        );
    }
    lines
}
