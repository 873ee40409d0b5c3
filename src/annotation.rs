//! Annotations of a pull request: workflow commands of GitHub Actions, which it shows at the lines that
//! they name.

use std::fmt;

/// Something to say of a line of a file. Its texts are harmless to a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Annotation<'a> {
    /// `error`, `warning` or `notice`.
    pub(crate) command: &'static str,
    pub(crate) file: &'a str,
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
}

impl fmt::Display for Annotation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, file, line, column, title, text } = self;
        let (file, title, text) = (property(file), property(title), data(text));
        write!(f, "::{command} file={file},line={line},col={column},title={title}::{text}")
    }
}

/// What would end a command is escaped (actions/toolkit: `core/src/command.ts`).
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_command_can_end_it() {
        let nasty = "a,b:c%\n::error::x";
        let annotation = Annotation {
            command: "error",
            file: nasty,
            line: 1,
            column: 2,
            title: nasty,
            text: nasty,
        };
        let (property, data) = ("a%2Cb%3Ac%25%0A%3A%3Aerror%3A%3Ax", "a,b:c%25%0A::error::x");
        let expected = format!("::error file={property},line=1,col=2,title={property}::{data}");
        assert_eq!(annotation.to_string(), expected);
    }
}
