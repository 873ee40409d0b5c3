//! Tables as kubectl writes them, that fit the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use crate::classify::shown::plain;
use crate::terminal::{Screen, Tone};

/// Between two columns: on a narrow screen less.
const WIDEST_GAP: usize = 3;
/// A column keeps at least so much of its texts.
const LEAST: usize = 12;

/// Whether a table is cut where the terminal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The last column is cut, and then the widest.
    Screen,
    /// Nothing is cut.
    Whole,
}

/// Heads and rows.
#[derive(Clone, Debug, Default)]
pub struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(heads: &[&str]) -> Self {
        Self { heads: heads.iter().map(|head| (*head).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row: a text for each head. What a terminal would obey is spelled out.
    pub fn row(&mut self, row: Vec<String>) {
        let harmless = |text: String| match plain(&text) {
            Cow::Owned(plain) => plain,
            Cow::Borrowed(_) => text,
        };
        self.rows.push(row.into_iter().map(harmless).collect());
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn write(&self, screen: Screen, fit: Fit, out: &mut impl Write) -> io::Result<()> {
        let all = || std::iter::once(&self.heads).chain(&self.rows);
        let width = |column: usize| {
            all()
                .filter_map(|row| row.get(column))
                .map(|text| text.chars().count())
                .max()
                .unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let gap = match (fit, screen.width) {
            (Fit::Screen, Some(width)) => fitted(&mut widths, width),
            _ => WIDEST_GAP,
        };
        for (place, row) in all().enumerate() {
            let mut line = String::new();
            for (column, text) in row.iter().enumerate() {
                let is_last = column + 1 == self.heads.len();
                let width = widths.get(column).copied().unwrap_or(0);
                let text = cut(text, width);
                let pad = if is_last { 0 } else { width + gap };
                // Writing to a string cannot fail.
                let _ = write!(line, "{text:<pad$}");
            }
            let tone = if place == 0 { Tone::Faint } else { Tone::Plain };
            writeln!(out, "{}", screen.paint(tone, line.trim_end()))?;
        }
        Ok(())
    }
}

/// Makes columns fit the screen: the last one is cut, then they come closer, then the widest are cut.
/// Returns what is between two of them.
fn fitted(widths: &mut [usize], screen: usize) -> usize {
    let gaps = widths.len().saturating_sub(1);
    let Some((end, others)) = widths.split_last_mut() else { return WIDEST_GAP };
    let least = LEAST.min(*end);
    let before = |others: &[usize], gap: usize| others.iter().sum::<usize>() + gaps * gap;
    let gap =
        (1..=WIDEST_GAP).rev().find(|gap| before(others, *gap) + least <= screen).unwrap_or(1);
    while before(others, gap) + least > screen {
        match others.iter_mut().max() {
            Some(widest) if *widest > LEAST => *widest -= 1,
            _ => break,
        }
    }
    *end = (*end).min(screen.saturating_sub(before(others, gap)).max(least));
    gap
}

/// A text of at most so many characters. The end of an image says more than its middle.
fn cut(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(1);
    let head: String = text.chars().take(kept / 3).collect();
    let tail: String = text.chars().skip(length - (kept - kept / 3)).collect();
    format!("{head}…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(width: Option<usize>, fit: Fit) -> String {
        let mut table = Table::new(&["JOB", "IMAGE"]);
        table.row(vec!["train".to_owned(), format!("registry.example/{}", "x".repeat(60))]);
        table.row(vec!["größer".to_owned(), "r.io/a:1".to_owned()]);
        let mut out = Vec::new();
        table.write(Screen { width, colours: false }, fit, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_stand_below_each_other_and_the_last_ends_where_the_terminal_does() {
        let text = written(Some(40), Fit::Screen);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "JOB      IMAGE");
        assert_eq!(lines[1].chars().count(), 40);
        assert!(lines[1].contains("registry.e…xxx"), "{text}");
        assert_eq!(lines[2], "größer   r.io/a:1");
    }

    #[test]
    fn columns_come_closer_before_a_line_is_longer_than_the_screen() {
        for (width, line) in [
            (21, "größer   r.io/a:1"),
            (20, "größer  r.io/a:1"),
            (19, "größer r.io/a:1"),
            (10, "größer r.io/a:1"),
        ] {
            assert_eq!(written(Some(width), Fit::Screen).lines().nth(2), Some(line), "{width}");
        }
    }

    #[test]
    fn of_names_that_are_too_long_the_middle_goes() {
        let mut table = Table::new(&["NAMESPACE", "JOB", "IMAGE"]);
        table.row(
            ["research-platform-training", "x".repeat(54).as_str(), "r.io/a:1"]
                .map(str::to_owned)
                .to_vec(),
        );
        let mut out = Vec::new();
        table.write(Screen { width: Some(60), colours: false }, Fit::Screen, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let line = text.lines().nth(1).unwrap();
        assert_eq!(line.chars().count(), 60, "{text}");
        assert!(line.starts_with("research") && line.ends_with(" r.io/a:1"), "{text}");
    }

    #[test]
    fn nothing_is_cut_where_it_is_read_by_a_program_or_wanted_whole() {
        for text in [written(None, Fit::Screen), written(Some(40), Fit::Whole)] {
            assert!(text.contains(&"x".repeat(60)), "{text}");
        }
    }
}
