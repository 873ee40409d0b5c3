//! What a person looks at: how wide it is, whether it takes colours, and how texts fit into it.

use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};

use crate::classify::shown::plain;

/// As wide as what is written where nobody says how wide it may be.
const USUAL_WIDTH: usize = 100;
/// Narrower than this nothing is made.
const LEAST_WIDTH: usize = 40;

/// Where a page is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// In characters; `None`: whoever reads on is no person, and nothing is broken or cut.
    pub width: Option<usize>,
    /// Whether it takes colours.
    pub colours: bool,
}

/// What a piece of text means, and so how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// What says most.
    Strong,
    /// Labels.
    Faint,
    /// All is well.
    Good,
    /// Something is wrong.
    Bad,
    /// Something waits for somebody.
    Waiting,
}

impl Screen {
    /// Standard output.
    pub fn stdout() -> Self {
        let stdout = io::stdout();
        let columns = terminal_size::terminal_size_of(&stdout).map(|(width, _)| width.0.into());
        // As many programs do: what a person has exported by hand goes before.
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = stdout.is_terminal().then(|| asked.or(columns).unwrap_or(USUAL_WIDTH));
        Self {
            width: width.map(|width: usize| width.max(LEAST_WIDTH)),
            colours: AutoStream::choice(&stdout) != ColorChoice::Never,
        }
    }

    /// How many lines standard output shows at once; `None`: it is no terminal.
    pub fn rows() -> Option<usize> {
        terminal_size::terminal_size_of(io::stdout()).map(|(_, height)| height.0.into())
    }

    /// A text in its tone, made harmless.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let text = plain(text);
        let style = match tone {
            _ if !self.colours => Style::new(),
            Tone::Plain => Style::new(),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Waiting => AnsiColor::Yellow.on_default().bold(),
        };
        format!("{style}{text}{style:#}")
    }

    /// A text in lines that fit beside an indentation. Words are never broken: a name or a command
    /// can be copied whole. What a terminal would obey is spelled out.
    pub fn lines(self, text: &str, indented: usize) -> Vec<String> {
        let text = plain(text);
        let Some(width) = self.width else { return vec![text.into_owned()] };
        let room = width.saturating_sub(indented).max(LEAST_WIDTH / 2);
        let mut lines = vec![String::new()];
        let mut used = 0;
        for word in text.split(' ') {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > room {
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                if used > 0 {
                    line.push(' ');
                    used += 1;
                }
                line.push_str(word);
                used += length;
            }
        }
        lines
    }
}

/// How a command ends that has written its answer to standard output: with its own code, or where that
/// could not be written, with `failed`. A reader that has seen enough (`| head`) is no error.
pub fn ended(written: io::Result<u8>, failed: u8) -> ExitCode {
    match written {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Where even standard error is closed there is nobody left to tell.
            let _ =
                writeln!(io::stderr(), "dislodge: standard output cannot be written to: {error}");
            ExitCode::from(failed)
        }
    }
}

/// Says on standard error what went wrong, with nothing in it that a terminal obeys.
pub fn complain(error: &dyn std::error::Error) {
    let text = error.to_string();
    let lines: Vec<_> = text.lines().map(plain).collect();
    // Where even standard error is closed there is nobody left to tell.
    let _ = writeln!(io::stderr(), "dislodge: {}", lines.join("\n"));
}

/// How the program is called by the person who uses it: kubectl finds it as `kubectl-dislodge`.
pub fn called() -> &'static str {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&name).file_stem().unwrap_or_default();
    if name == "kubectl-dislodge" { "kubectl dislodge" } else { "dislodge" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_never_inside_of_one() {
        let screen = Screen { width: Some(60), colours: false };
        let long = "x".repeat(70);
        for (text, lines) in [
            ("", vec![""]),
            ("one two", vec!["one two"]),
            (&*format!("a {long} b"), vec!["a", &*long, "b"]),
            (&*"word ".repeat(14), vec!["word ".repeat(9).trim_end(), "word word word word word "]),
        ] {
            assert_eq!(screen.lines(text, 12), lines, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_terminal_gets_whole_lines_without_colours() {
        let screen = Screen { width: None, colours: false };
        let text = "word ".repeat(100);
        assert_eq!(screen.lines(&text, 12), [text.as_str()]);
        assert_eq!(screen.paint(Tone::Bad, "stuck"), "stuck");
        let colours = Screen { colours: true, ..screen };
        assert!(colours.paint(Tone::Bad, "stuck").starts_with("\u{1b}["));
    }
}
