//! What is printed, in 80 columns.

use std::time::Duration;

/// As wide as the narrowest terminal that people use.
pub(crate) const WIDTH: usize = 80;

/// Where the story is told.
pub(crate) struct Page<'a>(&'a mut dyn FnMut(&str));

impl<'a> Page<'a> {
    /// A page whose lines go there.
    pub(crate) fn new(to: &'a mut dyn FnMut(&str)) -> Self {
        Self(to)
    }

    /// A text in lines of their own.
    pub(crate) fn say(&mut self, text: &str) {
        self.wrapped("", "", text);
    }

    /// The beginning of a part.
    pub(crate) fn part(&mut self, title: &str) {
        (self.0)("");
        self.say(title);
        (self.0)("");
    }

    /// Something that happened.
    pub(crate) fn at(&mut self, at: Duration, what: &str) {
        self.wrapped(&format!("  {}  ", clock(at)), "             ", what);
    }

    /// Something with a name.
    pub(crate) fn item(&mut self, name: &str, what: &str) {
        self.wrapped(&format!("  {name:<9}  "), "             ", what);
    }

    /// A text with something in front of its first line and of the others.
    pub(crate) fn wrapped(&mut self, first: &str, other: &str, text: &str) {
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in text.split(' ') {
            let width = line.chars().count() + usize::from(!is_empty) + word.chars().count();
            if !is_empty && width > WIDTH {
                (self.0)(&line);
                other.clone_into(&mut line);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        (self.0)(line.trim_end());
    }
}

/// A time since the beginning, as `h:mm:ss`.
pub(crate) fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
