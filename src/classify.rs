//! `dislodge classify`: what a message or a Pod says about its image, without any cluster.
//!
//! The causes are the engine's own ([`dislodge_engine::message::read`] and
//! [`dislodge_engine::observe`]), so that the command says what the controller would. Nothing is
//! printed that was not masked, and no character that a terminal would obey (`shown`).

mod document;
mod finding;
mod line;
mod lines;
mod page;
mod pods;
mod shown;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Read, Write};
use std::path::Path;

use crate::args::{ClassifyArgs, Output};
use finding::Finding;
use page::Look;

/// The longest message, and the longest line of `--jsonl`, in bytes. Kubernetes keeps 32 KiB of a
/// waiting message (`kubelet`: `pkg/kubelet/status`) and an object of 1.5 MiB (etcd's request).
const LONGEST: usize = 8 << 20;

/// Why the command fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is neither a message nor a pipe that one could come from.
    #[error(
        "no message was given: write it behind `dislodge classify` in quotes, or pipe it in: \
         kubectl get pod NAME -o jsonpath='{{..waiting.message}}' | dislodge classify"
    )]
    NoMessage,
    /// There is nothing in the message.
    #[error(
        "the message is empty: give the text of `waiting.message` or of an Event, behind `dislodge \
         classify` or on standard input"
    )]
    EmptyMessage,
    /// The message does not end.
    #[error("the message is longer than {LONGEST} bytes: for many messages use --jsonl")]
    LongMessage,
    /// What is to be read cannot be.
    #[error("{input} cannot be read: {source}: name a file that exists, or '-' for standard input")]
    Input {
        /// Its name.
        input: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Some lines were no messages.
    #[error(
        "{bad} of {lines} lines could not be read: each is named above and has an `error` in its \
         place"
    )]
    BadLines {
        /// How many.
        bad: u64,
        /// Of how many.
        lines: u64,
    },
    /// A file of Pods is no YAML or JSON.
    #[error("{input} is neither YAML nor JSON: {problem}")]
    Malformed {
        /// Its name.
        input: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of Pods has something else in it.
    #[error("{0}")]
    NotPods(String),
    /// Standard output cannot be written to.
    #[error("standard output cannot be written to: {0}")]
    Output(#[source] io::Error),
}

/// Does what the command line says. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
///
/// Where the input cannot be read, or a part of it; the rest is still answered.
pub fn run(args: &ClassifyArgs) -> Result<(), Error> {
    match answer(args) {
        Err(Error::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

fn answer(args: &ClassifyArgs) -> Result<(), Error> {
    let stdout = io::stdout();
    let look = Look::on(&stdout);
    let mut out = BufWriter::new(stdout.lock());
    if args.jsonl {
        let input = args.file.as_deref().unwrap_or_else(|| Path::new("-"));
        return lines::answer(open(input)?, &name(input), &mut out, complain);
    }
    if let Some(input) = &args.pod {
        let name = name(input);
        let text = io::read_to_string(open(input)?)
            .map_err(|source| Error::Input { input: name.clone(), source })?;
        return pods::answer(&text, &name, args.output, look, &mut out, complain);
    }

    let message = message(&args.message, io::stdin(), io::stdin().is_terminal())?;
    let finding = Finding::new(&message, args.reason.as_deref(), args.image.as_deref());
    match args.output.unwrap_or_default() {
        Output::Text => page::write(&finding, look, &mut out),
        Output::Json => shown::json(&finding.object(), &mut out),
    }
    .and_then(|()| out.flush())
    .map_err(Error::Output)
}

/// Tells of something that does not end the command.
fn complain(what: &str) {
    // Where even standard error is closed there is nobody left to tell.
    let _ = writeln!(io::stderr(), "dislodge: {what}");
}

fn open(path: &Path) -> Result<Box<dyn Read>, Error> {
    if is_stdin(path) {
        return Ok(Box::new(io::stdin()));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(source) => Err(Error::Input { input: name(path), source }),
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(path: &Path) -> String {
    if is_stdin(path) {
        "standard input".to_owned()
    } else {
        shown::plain(&path.to_string_lossy()).into_owned()
    }
}

/// The message: the words of the command line, else all of standard input. Bytes that are no UTF-8
/// are read as the API server would have stored them, as replacement characters.
fn message(words: &[String], stdin: impl Read, terminal: bool) -> Result<String, Error> {
    let piped = matches!(words, [dash] if dash == "-");
    if words.is_empty() && terminal {
        return Err(Error::NoMessage);
    }
    let message = if words.is_empty() || piped {
        let mut bytes = Vec::new();
        stdin
            .take(LONGEST as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| Error::Input { input: name(Path::new("-")), source })?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        text.strip_suffix('\r').unwrap_or(text).to_owned()
    } else {
        words.join(" ")
    };
    match message.len() {
        _ if message.trim().is_empty() => Err(Error::EmptyMessage),
        length if length > LONGEST => Err(Error::LongMessage),
        _ => Ok(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_words_of_the_command_line_are_one_message() {
        let message = message(&words(&["i/o", "timeout"]), io::empty(), true).unwrap();
        assert_eq!(message, "i/o timeout");
    }

    #[test]
    fn without_words_all_of_standard_input_is_the_message_less_the_last_line_break() {
        for (given, stdin, read) in [
            (&[][..], &b"a\nb\n"[..], "a\nb"),
            (&["-"][..], b"a\r\n", "a"),
            (&[][..], b"a\n\n", "a\n"),
            (&[][..], b"a\xff", "a\u{fffd}"),
        ] {
            assert_eq!(message(&words(given), stdin, false).unwrap(), read);
        }
    }

    #[test]
    fn a_terminal_is_not_waited_for_unless_it_is_asked_for() {
        let stdin = &b"typed\n"[..];
        assert!(matches!(message(&[], stdin, true), Err(Error::NoMessage)));
        assert_eq!(message(&words(&["-"]), stdin, true).unwrap(), "typed");
    }

    #[test]
    fn an_empty_or_endless_message_is_refused() {
        for (given, stdin) in [(&[][..], &b" \n"[..]), (&[""][..], b""), (&["-"][..], b"")] {
            assert!(matches!(message(&words(given), stdin, false), Err(Error::EmptyMessage)));
        }
        let endless = io::repeat(b'a');
        assert!(matches!(message(&[], endless, false), Err(Error::LongMessage)));
    }
}
