//! The rules of the architecture, as tests: what ARCHITECTURE.md says is so, and stays so.

mod code;
mod dependencies;
mod documents;
mod tree;

/// A rule: its sentence as a name, and the check.
pub(crate) type Rule = (&'static str, fn() -> Result<(), String>);

/// All rules.
pub(crate) const RULES: &[Rule] = &[
    ("the_core_and_the_models_depend_on_no_client", dependencies::the_core_knows_no_client),
    (
        "the_program_has_no_test_code_and_its_engine_no_models",
        dependencies::the_program_has_no_test_code,
    ),
    ("every_dependency_has_a_version_and_a_reason_in_one_place", dependencies::each_has_a_reason),
    ("the_core_reads_no_clock_waits_for_nothing_and_says_nothing", code::the_core_is_pure),
    ("a_step_of_the_path_knows_no_later_step", code::steps_know_no_later_step),
    ("only_apply_report_and_lease_write_to_the_api_server", code::only_the_writers_write),
    ("only_the_clock_reads_clocks", code::only_the_clock_reads_clocks),
    ("no_rust_file_is_longer_than_600_lines", code::files_are_short),
    ("every_module_is_named_after_its_subject", code::names_say_something),
    ("every_entry_of_the_map_exists", documents::the_map_names_what_exists),
    ("every_module_of_the_top_levels_is_in_the_map", documents::the_map_names_all_that_exists),
    ("the_readme_names_the_two_commands", documents::the_readme_names_the_two_commands),
    ("every_link_between_documents_leads_somewhere", documents::links_lead_somewhere),
    ("every_test_that_the_threats_name_exists", documents::security_names_tests),
    ("every_make_target_that_a_document_names_exists", documents::targets_exist),
    ("every_gate_is_a_make_target_and_the_gates_fit_their_budget", documents::gates_fit),
    ("no_file_names_a_path_of_the_machine_that_it_was_written_on", documents::no_machine_paths),
];

/// `Ok` where nothing was found, else everything that was, one line each.
fn none(found: &[String]) -> Result<(), String> {
    if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
}
