//! YAML and JSON as trees in which each value knows where it stands.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned, UserMessageFormatter};

/// So many events aliases may repeat altogether: a few lines of a YAML bomb stand for billions.
const REPEATED: usize = 100_000;

/// So deep values may be nested. A list of policies with all that an API server writes has 14 levels.
const DEEPEST: usize = 32;

/// So many documents are read of a file, and so many values.
const MOST_DOCUMENTS: usize = 10_000;
const MOST_VALUES: usize = 250_000;

/// Line and column, both from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl Position {
    /// Where a file begins.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) content: Content,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Fields(Vec<Field>),
}

/// A field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    name: String,
    /// Where its name stands.
    at: Position,
    value: Node,
}

/// All documents of a text.
///
/// # Errors
///
/// Where the syntax is broken, and how.
pub(crate) fn parse(text: &str) -> Result<Vec<Node>, (Position, String)> {
    serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| refused(&error))
}

/// The only document of a text as a value of a type, within the same bounds.
///
/// # Errors
///
/// Where the text is of another shape, and how.
pub(crate) fn typed<T: DeserializeOwned>(text: &str) -> Result<T, (Position, String)> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| refused(&error))
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            max_documents: MOST_DOCUMENTS,
            max_nodes: MOST_VALUES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: REPEATED,
        },
        with_snippet: false,
    }
}

fn refused(error: &serde_saphyr::Error) -> (Position, String) {
    let at = error.location().map_or(Position::START, Position::from);
    let problem = error.render_with_formatter(&UserMessageFormatter);
    let breached = ["limits breached", "budget breached", "too large or too complex"];
    if breached.iter().any(|words| problem.contains(words)) {
        let problem = format!(
            "has more than {DEEPEST} levels, {MOST_DOCUMENTS} documents, {MOST_VALUES} values or \
             {REPEATED} repeated ones: no file of policies does"
        );
        return (at, problem);
    }
    // Its place is told beside it.
    let place = format!(" at line {}, column {}", at.line, at.column);
    (at, problem.trim_end_matches(&place).to_owned())
}

impl Node {
    /// A field of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.field(name).map(|field| &field.value)
    }

    fn field(&self, name: &str) -> Option<&Field> {
        match &self.content {
            Content::Fields(fields) => fields.iter().find(|field| field.name == name),
            Content::Scalar(_) | Content::List(_) => None,
        }
    }

    /// A field of an object that is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match &self.get(name)?.content {
            Content::Scalar(value) => value.as_str(),
            Content::List(_) | Content::Fields(_) => None,
        }
    }

    /// The value without its places.
    pub(crate) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::value).collect(),
            Content::Fields(fields) => {
                let fields = fields.iter().map(|field| (field.name.clone(), field.value.value()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// What a path such as `cases[0].expect` leads to.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        steps(path).try_fold(self, |node, step| match step.strip_suffix(']') {
            Some(index) => node.item(index),
            None => node.get(step),
        })
    }

    /// Whether it is an object that has a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// Whether it is a list.
    pub(crate) const fn is_list(&self) -> bool {
        matches!(self.content, Content::List(_))
    }

    /// Where the field of a path such as `spec.rules[0].name` stands: its name, or the item of a
    /// list. Of a field that is not there, what it would stand in.
    pub(crate) fn position(&self, path: &str) -> Position {
        let mut node = self;
        let mut at = self.at;
        for step in steps(path) {
            let found = match step.strip_suffix(']') {
                Some(index) => node.item(index).map(|item| (item.at, item)),
                None => node.field(step).map(|field| (field.at, &field.value)),
            };
            match found {
                Some((place, inner)) => (at, node) = (place, inner),
                None => break,
            }
        }
        at
    }

    fn item(&self, index: &str) -> Option<&Self> {
        match &self.content {
            Content::List(items) => items.get(index.parse::<usize>().ok()?),
            Content::Scalar(_) | Content::Fields(_) => None,
        }
    }
}

/// The steps of a path: names, and places in lists as `0]`.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split(['.', '[']).filter(|step| !step.is_empty())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = Spanned::<Content>::deserialize(deserializer)?;
        Ok(Self { at: content.referenced.into(), content: content.value })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Content, D::Error> {
        Content::deserialize(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = entries.next_entry::<Spanned<String>, Node>()? {
            fields.push(Field { at: name.referenced.into(), name: name.value, value });
        }
        Ok(Content::Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_stands_where_its_name_does_and_a_missing_one_where_it_would() {
        let text = "a: 1\nspec:\n  rules:\n  - name: x\n    causes: [NotFound, Tls]\n";
        for text in [text.to_owned(), format!("# no\n---\n{text}")] {
            let before = text.lines().take_while(|line| *line != "a: 1").count() as u64;
            let nodes = parse(&text).unwrap();
            let node = nodes.last().unwrap();
            for (path, line, column) in [
                ("a", 1, 1),
                ("spec", 2, 1),
                ("spec.rules", 3, 3),
                ("spec.rules[0].name", 4, 5),
                ("spec.rules[0].causes[1]", 5, 24),
                ("spec.rules[0].action", 4, 5),
                ("spec.mode", 2, 1),
                ("metadata.name", 1, 1),
            ] {
                let expected = Position { line: line + before, column };
                assert_eq!(node.position(path), expected, "{path} in {text}");
            }
        }
    }

    #[test]
    fn the_value_is_what_other_parsers_read() {
        let text = "a: [1, 1.5, true, null, ~, 'yes', x]\nb: {c: \"d\"}\n1: -3\n";
        let expected: Value = serde_saphyr::from_str(text).unwrap();
        assert_eq!(parse(text).unwrap()[0].value(), expected);
    }

    #[test]
    fn json_is_read_with_its_places_however_it_is_indented() {
        let text = "{\n\t\"a\": {\n\t\t\"b\": [true, \"\\u00e9\\ud83d\\ude00\"]\n\t}\n}\n";
        let nodes = parse(text).unwrap();
        assert_eq!(nodes[0].value(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(nodes[0].position("a.b[0]").line, 3);
    }

    #[test]
    fn a_yaml_bomb_is_refused_at_its_place() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            bomb = format!("{bomb}a{level}: &a{level} [{before}]\n");
        }
        let (at, problem) = parse(&bomb).unwrap_err();
        assert!(at.line > 1, "{at:?} {problem}");
    }

    #[test]
    fn depth_without_end_is_refused() {
        for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000)] {
            assert!(parse(&text).is_err(), "{}", &text[..4]);
        }
        let deep = format!("{}1{}", "[".repeat(DEEPEST - 1), "]".repeat(DEEPEST - 1));
        assert!(parse(&deep).is_ok());
    }
}
