//! The corpus as rows, and the goals that reading it has to meet.

use dislodge_engine::cause::{Cause, Class};
use dislodge_engine::message::{mask, read};

use crate::score::Score;

/// A message with its true cause.
pub(crate) struct Row {
    pub(crate) runtime: String,
    pub(crate) fault: String,
    pub(crate) reason: String,
    pub(crate) image: String,
    /// The cause that was injected; `None`: no failure of a pull.
    pub(crate) cause: Option<Cause>,
    /// Other causes that the text alone supports.
    pub(crate) also: Vec<Option<Cause>>,
    pub(crate) message: String,
}

impl Row {
    /// Whether this answer is right.
    pub(crate) fn accepts(&self, cause: Option<Cause>) -> bool {
        cause == self.cause || self.also.contains(&cause)
    }

    pub(crate) fn read(&self) -> Option<Cause> {
        let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
        read(given(&self.reason), &self.message, given(&self.image)).cause
    }
}

/// Messages that were produced by a registry that fails on purpose.
pub(crate) fn rows() -> Vec<Row> {
    parsed(include_str!("corpus.tsv"))
}

/// Messages that people showed in public, each with where.
fn wild() -> Vec<Row> {
    parsed(include_str!("wild.tsv"))
}

fn parsed(table: &str) -> Vec<Row> {
    table.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

fn row(line: &str) -> Row {
    let fields: Vec<String> = line.split('\t').map(unescape).collect();
    let [runtime, fault, reason, image, cause_name, also, message] = fields.try_into().unwrap();
    let also = also.split(',').filter(|name| !name.is_empty()).map(cause).collect();
    let cause = cause(&cause_name);
    Row { runtime, fault, reason, image, cause, also, message }
}

fn cause(name: &str) -> Option<Cause> {
    let known = Cause::ALL.into_iter().find(|cause| cause.as_str() == name);
    assert!(known.is_some() || name == "-", "{name} is no cause");
    known
}

fn unescape(field: &str) -> String {
    let mut text = String::new();
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => match chars.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            },
            c => c,
        });
    }
    text
}

#[test]
#[expect(clippy::print_stdout, reason = "`cargo test -- --nocapture` shows the tables")]
fn real_messages_are_read_right() {
    let rows = rows();
    let score = Score::of(rows.iter().map(|row| (row, row.read())));
    println!("{score}");
    assert_eq!(rows.len(), 499);
    assert!(
        score.exact() >= 0.97,
        "{:.1} % are exact, at least 97 % have to be",
        100.0 * score.exact()
    );
    assert!(
        score.unknown() <= 0.02,
        "{:.1} % are Unknown, at most 2 % may be",
        100.0 * score.unknown()
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "`cargo test -- --nocapture` shows the tables")]
fn messages_of_the_wild_are_read_right() {
    let rows = wild();
    let score = Score::of(rows.iter().map(|row| (row, row.read())));
    println!("{score}");
    assert!(score.exact() >= 0.97, "{:.1} % are exact", 100.0 * score.exact());
}

#[test]
fn nothing_that_may_go_through_later_is_called_permanent() {
    let class = |cause: Option<Cause>| cause.map(Cause::class);
    let wrong: Vec<String> = rows()
        .iter()
        .chain(&wild())
        .filter(|row| {
            let read = row.read();
            class(read) == Some(Class::Permanent)
                && class(row.cause) != Some(Class::Permanent)
                && !row.also.contains(&read)
        })
        .map(|row| format!("{:?} read as {:?}: {}", row.cause, row.read(), row.message))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A recording keeps messages without their secrets: what is read of it must be what was read.
#[test]
fn masking_changes_no_cause() {
    let rows = rows();
    let mut changed = Vec::new();
    for row in rows.iter().chain(&wild()) {
        let given = |text: &'_ str| Some(mask(text).into_owned()).filter(|text| !text.is_empty());
        let (reason, image) = (given(&row.reason), given(&row.image));
        let masked = read(reason.as_deref(), &mask(&row.message), image.as_deref()).cause;
        if masked != row.read() {
            changed.push(format!("{:?} -> {masked:?}: {}", row.read(), row.message));
        }
    }
    assert!(changed.is_empty(), "{}", changed.join("\n"));
}
