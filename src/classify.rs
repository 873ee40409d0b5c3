//! `dislodge classify`: what a message or a Pod says about its image, without any cluster.
//!
//! The causes are the engine's own ([`dislodge_engine::message::read`] and
//! [`dislodge_engine::observe`]), so that the command says what the controller would. Nothing is
//! printed that was not masked, and no character that a terminal would obey (`shown`).

pub(crate) mod document;
pub(crate) mod failing;
mod finding;
mod line;
mod lines;
mod page;
mod pods;
pub(crate) mod shown;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Read, Write};
use std::path::Path;

use crate::args::{ClassifyArgs, Output};
use finding::Finding;
use page::Look;

/// The longest message, and the longest line of `--jsonl`, in bytes. Kubernetes itself has no limit
/// for a waiting message, but for that of the whole Pod: a request of 1.5 MiB (etcd:
/// `--max-request-bytes`).
const LONGEST: usize = 8 << 20;

/// The most that is read of a file of Pods, in bytes: a hundred thousand of them.
const MOST_PODS: usize = 512 << 20;

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
    /// A file of Pods is binary, or text in another encoding.
    #[error(
        "{input} is no text: no UTF-8 from byte {byte} on: give the Pods as YAML or JSON in UTF-8: \
         kubectl get pods -o json"
    )]
    NoText {
        /// Its name.
        input: String,
        /// Where the first byte stands that is none, from 1 on.
        byte: usize,
    },
    /// A file of Pods does not end.
    #[error(
        "{input} is longer than {most} bytes: give the Pods in several files, such as one for each \
         namespace"
    )]
    LongPods {
        /// Its name.
        input: String,
        /// The limit.
        most: usize,
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
    /// A file of Pods cannot be read to its end, or has something else in it.
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
        let text = text(open(input)?, &name, MOST_PODS)?;
        return pods::answer(&text, &name, args.output, look, &mut out, complain);
    }

    let reason = finding::given(args.reason.as_deref());
    let message = message(&args.message, reason, io::stdin(), io::stdin().is_terminal())?;
    let finding = Finding::new(&message, reason, args.image.as_deref());
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

/// All of a file of Pods, of which at most so many bytes are read.
fn text(input: impl Read, name: &str, most: usize) -> Result<String, Error> {
    let input_name = || name.to_owned();
    let mut bytes = Vec::new();
    input
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Input { input: input_name(), source })?;
    if bytes.len() > most {
        return Err(Error::LongPods { input: input_name(), most });
    }
    String::from_utf8(bytes).map_err(|error| Error::NoText {
        input: input_name(),
        byte: error.utf8_error().valid_up_to() + 1,
    })
}

/// The message: the words of the command line, else all of standard input. Bytes that are no UTF-8
/// are read as the API server would have stored them, as replacement characters. With a reason it
/// may be empty: the kubelet says nothing beside some (`InvalidImageName`).
fn message(
    words: &[String],
    reason: Option<&str>,
    stdin: impl Read,
    terminal: bool,
) -> Result<String, Error> {
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
        _ if reason.is_none() && message.trim().is_empty() => Err(Error::EmptyMessage),
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
        let message = message(&words(&["i/o", "timeout"]), None, io::empty(), true).unwrap();
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
            assert_eq!(message(&words(given), None, stdin, false).unwrap(), read);
        }
    }

    #[test]
    fn a_terminal_is_not_waited_for_unless_it_is_asked_for() {
        let stdin = &b"typed\n"[..];
        assert!(matches!(message(&[], None, stdin, true), Err(Error::NoMessage)));
        assert_eq!(message(&words(&["-"]), None, stdin, true).unwrap(), "typed");
    }

    #[test]
    fn an_empty_or_endless_message_is_refused() {
        for (given, stdin) in [(&[][..], &b" \n"[..]), (&[""][..], b""), (&["-"][..], b"")] {
            let words = words(given);
            assert!(matches!(message(&words, None, stdin, false), Err(Error::EmptyMessage)));
            assert!(message(&words, Some("InvalidImageName"), stdin, false).is_ok());
        }
        let endless = io::repeat(b'a');
        assert!(matches!(message(&[], None, endless, false), Err(Error::LongMessage)));
    }

    #[test]
    fn pods_that_are_no_text_or_do_not_end_are_refused() {
        assert_eq!(text(&b"kind: Pod"[..], "x", 9).unwrap(), "kind: Pod");
        for (input, most, what) in [
            (&b"kind\xff"[..], 9, "x is no text: no UTF-8 from byte 5 on: give the Pods as YAML"),
            (b"kind: Pod\n", 9, "x is longer than 9 bytes: give the Pods in several files"),
        ] {
            let error = text(input, "x", most).unwrap_err().to_string();
            assert!(error.starts_with(what), "{error}");
        }
        assert!(matches!(text(io::repeat(b' '), "x", 9), Err(Error::LongPods { .. })));
    }
}
