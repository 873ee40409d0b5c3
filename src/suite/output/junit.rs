//! For pipelines: the XML that they know from JUnit. There is no standard; these are the elements and
//! attributes that Jenkins, GitLab and GitHub's actions read.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use crate::classify::shown::plain;
use crate::suite::read::Mistake;
use crate::suite::{Report, SuiteReport};

pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let (passed, failed) = report.counts();
    let errors = report.mistakes.len();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites name=\"dislodge test\" tests=\"{}\" failures=\"{failed}\" errors=\"{errors}\" \
         time=\"{}\">",
        passed + failed + errors,
        seconds(report.elapsed),
    )?;
    let mut mistakes: BTreeMap<&str, Vec<&Mistake>> = BTreeMap::new();
    for mistake in &report.mistakes {
        mistakes.entry(&mistake.file).or_default().push(mistake);
    }
    for suite in &report.suites {
        write_suite(suite, &mistakes.remove(suite.file.as_str()).unwrap_or_default(), out)?;
    }
    for (file, mistakes) in mistakes {
        let suite = SuiteReport { file: file.to_owned(), outcomes: Vec::new() };
        write_suite(&suite, &mistakes, out)?;
    }
    writeln!(out, "</testsuites>")
}

fn write_suite(suite: &SuiteReport, mistakes: &[&Mistake], out: &mut impl Write) -> io::Result<()> {
    let failed = suite.outcomes.iter().filter(|(outcome, _)| outcome.failure.is_some()).count();
    let took: Duration = suite.outcomes.iter().map(|(_, took)| *took).sum();
    let file = escaped(&suite.file);
    writeln!(
        out,
        "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failed}\" errors=\"{}\" time=\"{}\">",
        suite.outcomes.len() + mistakes.len(),
        mistakes.len(),
        seconds(took),
    )?;
    for (outcome, took) in &suite.outcomes {
        let name = escaped(&outcome.name);
        write!(
            out,
            "    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{}\" time=\"{}\"",
            outcome.at.line,
            seconds(*took),
        )?;
        match &outcome.failure {
            None => writeln!(out, "/>")?,
            Some(failure) => {
                let at = failure.at.unwrap_or(outcome.at);
                let text = escaped(&failure.to_string()).replace("&#10;", "\n");
                writeln!(
                    out,
                    ">\n      <failure message=\"not as expected at line {}\">{text}</failure>\n    </testcase>",
                    at.line
                )?;
            }
        }
    }
    for mistake in mistakes {
        let what = escaped(&mistake.what);
        let line = mistake.at.line;
        writeln!(
            out,
            "    <testcase name=\"the suite can be run\" classname=\"{file}\" file=\"{file}\" line=\"{line}\">\n      \
             <error message=\"{what}\"/>\n    </testcase>"
        )?;
    }
    writeln!(out, "  </testsuite>")
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// A text inside of quotes. Of what a terminal obeys only the ends of lines are left, and XML allows what is
/// left but two characters (XML 1.0, `Char`).
fn escaped(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(plain).collect();
    let mut escaped = String::new();
    for c in lines.join("\n").chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_what_it_stands_in() {
        let nasty = "a\"/><failure>&\n]]>\u{1b}[31m\u{fffe}";
        let expected = "a&quot;/&gt;&lt;failure&gt;&amp;&#10;]]&gt;\\u{1b}[31m\u{fffd}";
        assert_eq!(escaped(nasty), expected);
    }
}
