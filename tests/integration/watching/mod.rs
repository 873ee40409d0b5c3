//! What people watch Dislodge by: alerts with their runbooks, the dashboard, the words that they meet. Names in
//! them are the names in the code, both ways.

mod alerts;
mod dashboard;
mod expressions;
mod logs;
mod names;
mod reasons;

use crate::Outcome;

/// A test: its sentence as a name, and the test.
type Test = (&'static str, fn() -> Outcome);

/// Tests that read files alone.
pub(crate) const ALL: &[Test] = &[
    ("an_expression_is_taken_apart_into_metrics_and_labels", expressions::are_taken_apart),
    ("every_metric_of_an_alert_or_panel_exists_with_its_labels", names::exist),
    ("every_metric_stands_on_the_dashboard", names::are_on_the_dashboard),
    ("every_metric_that_a_document_names_exists", names::in_documents),
    ("the_alerts_of_a_metric_are_those_that_look_at_it", names::of_alerts),
    ("every_alert_says_what_whom_and_how_bad", alerts::are_whole),
    ("every_alert_has_a_runbook_and_every_runbook_an_alert", alerts::have_runbooks),
    ("every_alert_is_seen_to_fire_and_to_stay_silent", alerts::are_tried_both_ways),
    ("the_dashboard_is_one_that_grafana_takes", dashboard::is_whole),
    ("every_reason_has_its_entry_in_troubleshooting_and_the_other_way_round", reasons::explained),
    ("every_key_of_a_log_line_is_explained", logs::are_explained),
];

/// Tests that need promtool, which is built where it is not there.
pub(crate) const PROMTOOL: &[Test] = &[
    ("promtool_finds_nothing_wrong_with_the_alerts", alerts::pass_promtool),
    ("every_alert_fires_when_it_should", alerts::fire),
    ("promtool_reads_every_expression_of_the_dashboard", dashboard::passes_promtool),
];
