//! A finding as people read it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::Style;

use super::finding::Finding;
use super::shown::{plain, quoted};

/// Stands for a part that is no evidence, where it cannot be dimmed.
const BLANK: &str = "···";
/// So many blanked parts are listed.
const LISTED: usize = 8;

/// How a page looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The image's failure, and what decided.
    strong: Style,
    /// Labels, and what is no evidence.
    faint: Style,
    styled: bool,
}

impl Look {
    /// Without escape sequences.
    pub(super) const PLAIN: Self =
        Self { strong: Style::new(), faint: Style::new(), styled: false };
    /// With them.
    const STYLED: Self =
        Self { strong: Style::new().bold(), faint: Style::new().dimmed(), styled: true };

    /// As it fits to standard output: without any escape sequence where that is no terminal, or
    /// `NO_COLOR` is set.
    pub(super) fn on(stdout: &io::Stdout) -> Self {
        if AutoStream::choice(stdout) == ColorChoice::Never { Self::PLAIN } else { Self::STYLED }
    }

    /// The line that says most.
    pub(super) fn headline(self, text: &str, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{0}{text}{0:#}", self.strong)
    }

    /// A row of the page: a label and a text, both harmless.
    pub(super) fn row(self, label: &str, text: &str, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{0}{label:<11}{0:#}{text}", self.faint)
    }
}

/// Writes the page.
pub(super) fn write(finding: &Finding, look: Look, out: &mut impl Write) -> io::Result<()> {
    let cause = finding.cause.map_or("no image failure", |cause| cause.as_str());
    look.headline(&format!("{cause}: {}", finding.sentence()), out)?;
    writeln!(out)?;
    if let Some(cause) = finding.cause {
        let class = cause.class();
        look.row("class", &format!("{class}: {}", class.sentence()), out)?;
        look.row("waiting", waiting(cause.can_waiting_help()), out)?;
    }
    let evidence = finding.evidence.as_deref();
    let evidence = evidence.map_or(Cow::Borrowed("none of its words is known"), plain);
    look.row("evidence", &evidence, out)?;
    if let Some(why) = finding.why {
        look.row("why", why, out)?;
    }
    if !finding.message.is_empty() {
        look.row("message", &body(finding, look, Names::Blanked), out)?;
    }
    let (blanked, more) = finding.blanked(LISTED);
    if !blanked.is_empty() {
        let listed: Vec<String> = blanked.into_iter().map(quoted).collect();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        look.row("blanked", &format!("{}{more}", listed.join(", ")), out)?;
    }
    finding.cause.map_or(Ok(()), |cause| look.row("next step", cause.remedy(), out))
}

/// What becomes of names in a message, where they cannot be dimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// They are left out: the page lists them.
    Blanked,
    /// They stay.
    Kept,
}

/// Whether waiting helps, in words.
pub(super) fn waiting(helps: bool) -> &'static str {
    if helps { "can help" } else { "cannot help" }
}

/// The message: what is no evidence is dimmed or blanked, what decided is strong.
pub(super) fn body(finding: &Finding, look: Look, names: Names) -> String {
    let text = |range: Range<usize>| plain(finding.message.get(range).unwrap_or_default());
    let hidden = names == Names::Blanked && !look.styled;
    let mut body = String::with_capacity(finding.message.len() + 64);
    let mut at = 0;
    let mut mark = |range: Range<usize>, style: Style, hidden: bool| {
        body.push_str(&text(at..range.start));
        at = range.end;
        let part = if hidden { BLANK.into() } else { text(range) };
        // Writing to a string cannot fail.
        let _ = write!(body, "{style}{part}{style:#}");
    };
    let mut decided = decided(finding);
    for range in &finding.blanked {
        if let Some(words) = decided.take_if(|words| words.end <= range.start) {
            mark(words, look.strong, false);
        }
        mark(range.clone(), look.faint, hidden);
    }
    if let Some(words) = decided {
        mark(words, look.strong, false);
    }
    body.push_str(&text(at..finding.message.len()));
    body
}

/// Where the words that decided stand in the message, outside of what is blanked.
fn decided(finding: &Finding) -> Option<Range<usize>> {
    let words = finding.evidence.as_deref().filter(|words| !words.is_empty())?;
    let mut found = finding.message.match_indices(words).map(|(at, _)| at..at + words.len());
    // Both are in order, so that one pass over each tells.
    let mut blanked = finding.blanked.iter().peekable();
    found.find(|range| {
        while blanked.next_if(|blank| blank.end <= range.start).is_some() {}
        blanked.peek().is_none_or(|blank| range.end <= blank.start)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"failed to resolve reference "r.io/not found:1": r.io/a:1: not found"#;

    fn page(message: &str, image: Option<&str>, look: Look) -> String {
        let mut out = Vec::new();
        write(&Finding::new(message, Some("ErrImagePull"), image), look, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_says_cause_class_evidence_and_next_step() {
        let page = page("r.io/a:1: not found", Some("r.io/a:1"), Look::PLAIN);
        for line in [
            "NotFound: image \"r.io/a:1\" does not exist in its registry\n",
            "class      permanent: ",
            "waiting    cannot help\n",
            "evidence   not found\n",
            "message    ···: not found\n",
            "blanked    \"r.io/a:1\"\n",
            "next step  push the image\n",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }

    #[test]
    fn on_a_terminal_what_decided_stands_out_and_what_is_no_evidence_is_dimmed() {
        let page = page("r.io/a:1: not found", None, Look::STYLED);
        assert!(
            page.contains("\u{1b}[2mr.io/a:1\u{1b}[0m: \u{1b}[1mnot found\u{1b}[0m\n"),
            "{page:?}"
        );
    }

    #[test]
    fn no_escape_sequence_of_a_message_gets_through() {
        for look in [Look::PLAIN, Look::STYLED] {
            let page = page("\u{1b}]0;owned\u{7}\u{9b}31m: not found", Some("\u{1b}[2J"), look);
            for obeyed in ["\u{1b}]", "\u{7}", "\u{9b}", "\u{1b}[2J"] {
                assert!(!page.contains(obeyed), "{page:?}");
            }
        }
    }

    #[test]
    fn a_message_that_is_not_understood_says_so() {
        let page = page("frobnication failed", None, Look::PLAIN);
        assert!(page.starts_with("Unknown: the image cannot be pulled"), "{page}");
        assert!(page.contains("evidence   none of its words is known\n"), "{page}");
    }

    #[test]
    fn a_page_about_no_image_failure_has_no_class_and_no_next_step() {
        let mut out = Vec::new();
        let finding = Finding::new("OOMKilled", Some("CrashLoopBackOff"), None);
        write(&finding, Look::PLAIN, &mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        assert!(page.starts_with("no image failure: "), "{page}");
        assert!(!page.contains("class") && !page.contains("next step"), "{page}");
    }

    #[test]
    fn blanked_words_are_never_marked_as_what_decided() {
        let finding = Finding::new(MESSAGE, Some("ErrImagePull"), None);
        let last = MESSAGE.len() - "not found".len();
        assert_eq!(decided(&finding), Some(last..MESSAGE.len()));
    }

    #[test]
    fn what_decided_is_found_before_between_and_behind_blanked_parts() {
        for (message, marked) in [
            ("not found: r.io/a:1", "\u{1b}[1mnot found\u{1b}[0m: \u{1b}[2mr.io/a:1\u{1b}[0m"),
            (
                "r.io/a:1: not found: r.io/b:1",
                "\u{1b}[2mr.io/a:1\u{1b}[0m: \u{1b}[1mnot found\u{1b}[0m: \u{1b}[2mr.io/b:1\u{1b}[0m",
            ),
        ] {
            let mut finding = Finding::new(message, None, None);
            finding.evidence = Some("not found".to_owned());
            assert_eq!(body(&finding, Look::STYLED, Names::Kept), marked);
            assert_eq!(body(&finding, Look::PLAIN, Names::Kept), message);
        }
    }

    #[test]
    fn a_message_of_nothing_but_names_is_answered_in_linear_time() {
        // What decided stands in each name, too: with a look at all parts for each of them, and at
        // all those before for each part, this takes minutes.
        let names: Vec<String> =
            (0..60_000).map(|number| format!("\"r.io/not found:{number}\"")).collect();
        let page = page(&format!("{}: not found", names.join(" ")), None, Look::PLAIN);
        assert!(page.contains("evidence   not found\n"), "{}", &page[page.len() - 400..]);
        assert!(page.contains(" and 59993 more\n"), "{}", &page[page.len() - 400..]);
    }

    #[test]
    fn of_many_blanked_parts_some_are_listed_and_the_rest_counted() {
        let parts: Vec<String> = (0..20).map(|number| format!("r.io/a{number}:1")).collect();
        let page = page(&format!("{}: not found", parts.join(" ")), None, Look::PLAIN);
        assert!(page.contains(" and 12 more\n"), "{page}");
    }
}
