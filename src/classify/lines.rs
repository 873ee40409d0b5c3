//! `--jsonl`: a stream of messages, answered line by line.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::Serialize;

use super::{Error, LONGEST, line, shown};

/// So much of the buffer for a line is kept for the next one.
const KEPT: usize = 64 << 10;

#[derive(Serialize)]
struct Refusal<'e> {
    error: &'e str,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Line,
    TooLong,
    End,
}

/// Answers each line in order. What was answered is handed on before more input is waited for, so
/// that somebody can ask, read the answer, and ask again.
///
/// # Errors
///
/// Where a line could not be read, after all others were answered.
pub(super) fn answer(
    input: impl Read,
    name: &str,
    out: &mut impl Write,
    complain: impl Fn(&str),
) -> Result<(), Error> {
    let unread = |source| Error::Input { input: name.to_owned(), source };
    let mut reader = BufReader::with_capacity(KEPT, input);
    let mut buffer = Vec::new();
    let (mut lines, mut bad) = (0, 0);
    loop {
        if !reader.buffer().contains(&b'\n') {
            out.flush().map_err(Error::Output)?;
        }
        let next = next(&mut reader, &mut buffer).map_err(unread)?;
        let answer = match next {
            Next::End => break,
            Next::TooLong => {
                Err(format!("longer than {LONGEST} bytes: split it, or shorten its message"))
            }
            Next::Line => line::answer(&buffer),
        };
        if buffer.is_empty() {
            // An empty line ends a file like any other. Whether it does shows only when more
            // input comes, or none.
            out.flush().map_err(Error::Output)?;
            if reader.fill_buf().map_err(unread)?.is_empty() {
                break;
            }
        }
        lines += 1;
        match answer {
            Ok(answer) => shown::json(&answer, out),
            Err(what) => {
                bad += 1;
                let error = format!("line {lines}: {what}");
                complain(&error);
                shown::json(&Refusal { error: &error }, out)
            }
        }
        .map_err(Error::Output)?;
    }
    out.flush().map_err(Error::Output)?;
    if bad == 0 { Ok(()) } else { Err(Error::BadLines { bad, lines }) }
}

/// Reads the next line, without its end. One that is too long is passed over, without being held.
fn next(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Next> {
    line.clear();
    line.shrink_to(KEPT);
    let read = reader.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(Next::End);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        line.pop_if(|byte| *byte == b'\r');
    } else if line.len() > LONGEST {
        reader.skip_until(b'\n')?;
        return Ok(Next::TooLong);
    }
    Ok(Next::Line)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const FOUND: &str = r#"{"cause":"NotFound","class":"permanent","evidence":"not found"}"#;
    const ASKED: &str = r#"{"message":"r.io/a:1: not found"}"#;

    fn answered(input: impl Read) -> (String, Vec<String>, Result<(), Error>) {
        let (mut out, said) = (Vec::new(), RefCell::new(Vec::new()));
        let complain = |what: &str| said.borrow_mut().push(what.to_owned());
        let done = answer(input, "standard input", &mut out, complain);
        (String::from_utf8(out).unwrap(), said.into_inner(), done)
    }

    #[test]
    fn a_bad_line_is_named_and_the_rest_is_answered_in_its_place() {
        let (out, said, done) = answered(format!("{ASKED}\nodd\n\n{ASKED}").as_bytes());
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!((lines[0], lines[3], lines.len()), (FOUND, FOUND, 4), "{out}");
        assert!(lines[1].starts_with(r#"{"error":"line 2: no JSON: "#), "{out}");
        assert!(lines[2].starts_with(r#"{"error":"line 3: empty: "#), "{out}");
        assert!(said[0].starts_with("line 2: ") && said[1].starts_with("line 3: "), "{said:?}");
        assert!(matches!(done, Err(Error::BadLines { bad: 2, lines: 4 })), "{done:?}");
    }

    #[test]
    fn an_empty_line_is_none_at_the_end() {
        for input in [
            String::new(),
            "\n".into(),
            "\r\n".into(),
            format!("{ASKED}\n"),
            format!("{ASKED}\n\n"),
        ] {
            let (out, said, done) = answered(input.as_bytes());
            assert!(done.is_ok() && said.is_empty(), "{input:?}: {said:?}");
            assert_eq!(out.lines().count(), input.matches("message").count(), "{input:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_one_that_is_not_quite_is_read() {
        let padding = |length: usize| io::repeat(b' ').take(length as u64);
        let room = LONGEST - ASKED.len();
        for (longer, good) in [(0, 2), (1, 1), (3 * LONGEST, 1)] {
            let line = padding(room + longer).chain(ASKED.as_bytes());
            let input = line.chain(&b"\n"[..]).chain(ASKED.as_bytes());
            let (out, said, _) = answered(input);
            assert_eq!(out.matches(FOUND).count(), good, "{said:?}");
            assert_eq!(said.iter().any(|error| error.contains("longer than 8388608")), good == 1);
        }
    }

    #[test]
    fn the_buffer_of_a_long_line_is_given_back() {
        let mut buffer = Vec::new();
        let mut input = BufReader::new(io::repeat(b'a').take(LONGEST as u64 * 2));
        assert_eq!(next(&mut input, &mut buffer).unwrap(), Next::TooLong);
        assert_eq!(next(&mut input, &mut buffer).unwrap(), Next::End);
        assert!(buffer.capacity() <= KEPT, "{}", buffer.capacity());
    }

    /// Gives one line at a time, and looks whether the one before was answered by then.
    struct Asker<'o> {
        lines: Vec<String>,
        out: &'o RefCell<Vec<u8>>,
    }

    impl Read for Asker<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let answers = (3 - self.lines.len()) * (FOUND.len() + 1);
            assert_eq!(self.out.borrow().len(), answers);
            let Some(line) = self.lines.pop() else { return Ok(0) };
            buffer[..line.len()].copy_from_slice(line.as_bytes());
            Ok(line.len())
        }
    }

    struct Shared<'o>(&'o RefCell<Vec<u8>>);

    impl Write for Shared<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_answer_is_handed_on_before_more_is_waited_for() {
        let out = RefCell::new(Vec::new());
        let asker = Asker { lines: vec![format!("{ASKED}\n"); 3], out: &out };
        let mut writer = io::BufWriter::new(Shared(&out));
        answer(asker, "standard input", &mut writer, |_| ()).unwrap();
        drop(writer);
        assert_eq!(out.borrow().len(), 3 * (FOUND.len() + 1));
    }
}
