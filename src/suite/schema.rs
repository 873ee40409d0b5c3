//! The JSON schema of suites, for editors.

use schemars::generate::SchemaSettings;

use super::format::Suite;

/// The file that holds what [`render`] gives, from the root of the repository.
pub const FILE: &str = "docs/reference/suite.schema.json";

/// The schema as the text that [`FILE`] holds. Of the draft that editors know best
/// (yaml-language-server: draft 7).
#[expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "the schema depends on no input, and tests render it"
)]
pub fn render() -> String {
    let generator = SchemaSettings::draft07().into_generator();
    let schema = generator.into_root_schema_for::<Suite>();
    let mut text =
        serde_json::to_string_pretty(&schema).expect("a schema is representable as JSON");
    text.push('\n');
    text
}
