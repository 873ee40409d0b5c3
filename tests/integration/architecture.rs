//! The rules of the architecture, as tests.

/// A rule: its sentence as a name, and the check.
pub(crate) type Rule = (&'static str, fn() -> Result<(), String>);

/// All rules.
pub(crate) const RULES: &[Rule] = &[];
