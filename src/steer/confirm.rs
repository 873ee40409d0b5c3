//! Asks before more than one thing is changed.

use std::io::{self, BufRead, IsTerminal as _, Write};

use crate::inspect::Error;

/// Whether a person wants it: always where it is about one thing, or where `--yes` was given.
///
/// # Errors
///
/// Where somebody would have to be asked, and nobody is there.
pub fn confirm(question: &str, things: &[String], yes: bool) -> Result<bool, Error> {
    if yes || things.len() < 2 {
        return Ok(true);
    }
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    let person = stdin.is_terminal().then(|| stdin.lock());
    ask(question, things, person, &mut stderr)
}

fn ask(
    question: &str,
    things: &[String],
    person: Option<impl BufRead>,
    screen: &mut impl Write,
) -> Result<bool, Error> {
    let Some(mut person) = person else {
        return Err(Error::Meant(format!(
            "this is about {} things, and there is no terminal to ask on: look with --dry-run \
             where the command has it, then give --yes",
            things.len()
        )));
    };
    for thing in things {
        writeln!(screen, "  {thing}").map_err(Error::Output)?;
    }
    write!(screen, "{question} [y/N] ").and_then(|()| screen.flush()).map_err(Error::Output)?;
    let mut answer = String::new();
    person.read_line(&mut answer).map_err(Error::Output)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn things(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("job/{number}")).collect()
    }

    #[test]
    fn one_thing_needs_no_question_and_yes_answers_it() {
        assert!(confirm("?", &things(1), false).unwrap());
        assert!(confirm("?", &things(9), true).unwrap());
    }

    #[test]
    fn nothing_but_yes_is_taken_for_yes() {
        for (typed, wanted) in [
            ("y\n", true),
            ("YES\n", true),
            ("\n", false),
            ("n\n", false),
            ("", false),
            ("yy\n", false),
        ] {
            let mut screen = Vec::new();
            let answer = ask("Resume?", &things(2), Some(typed.as_bytes()), &mut screen).unwrap();
            assert_eq!(answer, wanted, "{typed:?}");
            let shown = String::from_utf8(screen).unwrap();
            assert!(shown.contains("  job/1\n") && shown.ends_with("Resume? [y/N] "), "{shown}");
        }
    }

    #[test]
    fn where_nobody_can_be_asked_it_says_how_to_go_on() {
        let error = ask("?", &things(2), None::<&[u8]>, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("no terminal") && error.contains("--yes"), "{error}");
    }
}
