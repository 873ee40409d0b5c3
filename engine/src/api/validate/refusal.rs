//! One reason for which a policy is refused: the server's words for it, and words for people.

use serde_json::{Number, Value};

/// One reason for which a policy is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Path of the field, as the API server writes it: `spec.rules[0].name`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
    /// The path as the server's validator names it in the text: of a status, from the status on.
    body: String,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// There is no such field.
    UnknownField {
        /// The fields that there are in its place, in order.
        known: Vec<String>,
    },
    /// It has to be given. The text says why, where a rule wants it.
    Required(Option<String>),
    /// It may not be given.
    Forbidden(String),
    /// It is of another type.
    WrongType {
        /// The type that is wanted, as the schema names it.
        wanted: Kind,
        /// The type that was found.
        found: Kind,
        /// The server's names of both.
        named: (String, String),
    },
    /// It is none of the values that are allowed.
    Unsupported {
        /// What was found.
        found: Value,
        /// The values that are.
        allowed: Vec<Value>,
    },
    /// A string has more characters than this.
    TooLong(u64),
    /// A string has fewer characters than this.
    TooShort(String, u64),
    /// A string is no time.
    NoTime(String),
    /// A number is above its maximum.
    TooBig(Number, f64),
    /// A number is below its minimum.
    TooSmall(Number, f64),
    /// A list has so many items, and this is the least.
    TooFew(usize, u64),
    /// A list has so many items, and this is the most.
    TooMany(usize, u64),
    /// An item of a list is there already; what tells it from others.
    Duplicate(Value),
    /// A rule does not hold.
    Rule {
        /// The field's value, where the rule is about one that is not composed.
        value: Option<Value>,
        /// What has to hold, and what to do.
        text: String,
    },
    /// The server's remark about a number that does not fit its format; the wrong type or bound is
    /// told beside it.
    Misfit {
        /// The field.
        path: String,
        /// Its format.
        format: String,
    },
    /// The server's remark that it left the rules out.
    NotChecked,
}

/// The types of JSON, a whole number told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` and `false`
    Boolean,
    /// A number without a fraction.
    Integer,
    /// A number with one.
    Number,
    /// Text.
    String,
    /// A list.
    Array,
    /// Fields.
    Object,
}

/// A refusal in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// What is wrong.
    pub wrong: String,
    /// What was expected, or what to do.
    pub advice: String,
}

impl Refusal {
    /// The field of remarks that are about none.
    pub(super) const NO_FIELD: &str = "<nil>";

    pub(super) fn new(field: String, problem: Problem) -> Self {
        Self { body: field.clone(), field, problem }
    }

    /// The same for a status that was validated by itself.
    pub(super) fn below_status(self) -> Self {
        if self.field == Self::NO_FIELD {
            return self;
        }
        Self { field: format!("status.{}", self.field), ..self }
    }

    /// Whether it is no mistake, but a remark that the server adds to one.
    pub fn is_remark(&self) -> bool {
        self.field == Self::NO_FIELD
    }

    /// Whether one of the CRD's CEL rules does not hold.
    pub fn is_of_a_rule(&self) -> bool {
        matches!(
            self.problem,
            Problem::Required(Some(_)) | Problem::Forbidden(_) | Problem::Rule { .. }
        )
    }

    /// After these mistakes the server evaluates no rules (`hasBlockingErr`).
    pub(super) fn blocks_rules(&self) -> bool {
        matches!(
            self.problem,
            Problem::Required(_)
                | Problem::Unsupported { .. }
                | Problem::TooLong(_)
                | Problem::TooMany(..)
                | Problem::WrongType { .. }
                | Problem::NoTime(_)
        )
    }

    /// The `reason` that the server gives in `details.causes` (apimachinery
    /// `pkg/util/validation/field/errors.go`).
    pub fn reason(&self) -> &'static str {
        match self.problem {
            Problem::Required(_) => "FieldValueRequired",
            Problem::Forbidden(_) => "FieldValueForbidden",
            Problem::WrongType { .. } => "FieldValueTypeInvalid",
            Problem::Unsupported { .. } => "FieldValueNotSupported",
            Problem::TooLong(_) => "FieldValueTooLong",
            Problem::TooMany(..) => "FieldValueTooMany",
            Problem::Duplicate(_) => "FieldValueDuplicate",
            Problem::UnknownField { .. }
            | Problem::TooShort(..)
            | Problem::NoTime(_)
            | Problem::TooBig(..)
            | Problem::TooSmall(..)
            | Problem::TooFew(..)
            | Problem::Rule { .. }
            | Problem::Misfit { .. }
            | Problem::NotChecked => "FieldValueInvalid",
        }
    }

    /// The server's words behind the field.
    pub fn message(&self) -> String {
        let body = &self.body;
        let invalid = |value: String, problem: String| {
            format!("Invalid value: {value}: {body} in body {problem}")
        };
        match &self.problem {
            Problem::UnknownField { .. } => "unknown field".to_owned(),
            Problem::Required(None) => "Required value".to_owned(),
            Problem::Required(Some(text)) => format!("Required value: {text}"),
            Problem::Forbidden(text) => format!("Forbidden: {text}"),
            Problem::WrongType { named: (wanted, found), .. } => {
                invalid(format!("{found:?}"), format!("must be of type {wanted}: {found:?}"))
            }
            Problem::Unsupported { found, allowed } => {
                format!("Unsupported value: {found}: supported values: {}", listed(allowed))
            }
            // The server counts characters and says bytes.
            Problem::TooLong(max) => format!("Too long: may not be more than {max} bytes"),
            Problem::TooShort(text, min) => {
                invalid(format!("{text:?}"), format!("should be at least {min} chars long"))
            }
            Problem::NoTime(text) => {
                invalid(format!("{text:?}"), format!("must be of type date-time: {text:?}"))
            }
            Problem::TooBig(number, max) => {
                invalid(number.to_string(), format!("should be less than or equal to {max}"))
            }
            Problem::TooSmall(number, min) => {
                invalid(number.to_string(), format!("should be greater than or equal to {min}"))
            }
            Problem::TooFew(count, min) => {
                invalid(count.to_string(), format!("should have at least {min} items"))
            }
            Problem::TooMany(count, max) => {
                format!("Too many: {count}: must have at most {max} items")
            }
            Problem::Duplicate(identity) => format!("Duplicate value: {identity}"),
            Problem::Rule { value: Some(value), text } => format!("Invalid value: {value}: {text}"),
            Problem::Rule { value: None, text } => format!("Invalid value: {text}"),
            Problem::Misfit { path, format } => format!(
                "Invalid value: \"\": Checked value must be of type integer with format {format} \
                 in {path}"
            ),
            Problem::NotChecked => "Invalid value: null: some validation rules were not checked \
                 because the object was invalid; correct the existing errors to complete validation"
                .to_owned(),
        }
    }

    /// What is wrong, what was expected, and what to do, in words for people.
    pub fn words(&self) -> Words {
        let name = self.field.rsplit(['.', '[']).next().unwrap_or_default();
        let words = |wrong: String, advice: String| Words { wrong, advice };
        match &self.problem {
            Problem::UnknownField { known } => words(
                format!("there is no field `{name}` here"),
                format!("remove it, or write one of: {}", known.join(", ")),
            ),
            Problem::Required(None) => {
                words(format!("`{name}` is missing"), format!("add `{name}`"))
            }
            Problem::Required(Some(text)) => split(text, &format!("add `{name}`")),
            Problem::Forbidden(text) => split(text, &format!("remove `{name}`")),
            Problem::WrongType { wanted, found, .. } => words(
                format!("is {}, but has to be {}", found.article(), wanted.article()),
                wanted.how_to_write(*found).to_owned(),
            ),
            Problem::Unsupported { found, allowed } => words(
                format!("{found} is none of the values that are allowed"),
                format!("write one of: {}", listed(allowed)),
            ),
            Problem::TooLong(max) => {
                words("is too long".to_owned(), format!("shorten it to {max} characters"))
            }
            Problem::TooShort(_, min) => {
                words("is too short".to_owned(), format!("write at least {min} characters"))
            }
            Problem::NoTime(_) => {
                words("is no time".to_owned(), "write it as 2026-01-02T03:04:05Z".to_owned())
            }
            Problem::TooBig(number, max) => words(
                format!("{number} is more than {max}"),
                format!("write a number that is at most {max}"),
            ),
            Problem::TooSmall(number, min) => words(
                format!("{number} is less than {min}"),
                format!("write a number that is at least {min}"),
            ),
            Problem::TooFew(count, min) => words(
                format!("has {count} items, but needs at least {min}"),
                "add what is missing, or leave the field out where it has a default".to_owned(),
            ),
            Problem::TooMany(count, max) => words(
                format!("has {count} items, but may have {max}"),
                "split it over several policies".to_owned(),
            ),
            Problem::Duplicate(identity) => words(
                format!("{identity} stands in the list already"),
                "remove it, or give it another name".to_owned(),
            ),
            Problem::Rule { text, .. } => split(text, "change it as said"),
            Problem::Misfit { format, .. } => words(
                format!("the number does not fit {format}"),
                "write a whole number within the bounds".to_owned(),
            ),
            Problem::NotChecked => words(
                "not everything was checked".to_owned(),
                "mend the other mistakes, and check again".to_owned(),
            ),
        }
    }
}

impl Kind {
    /// The type of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_f64() => Self::Number,
            Value::Number(_) => Self::Integer,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }

    /// The type as a schema names it.
    pub(super) fn named(name: &str) -> Option<Self> {
        [
            Self::Null,
            Self::Boolean,
            Self::Integer,
            Self::Number,
            Self::String,
            Self::Array,
            Self::Object,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == name)
    }

    /// The name in a schema.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// The name for people.
    pub const fn article(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Integer => "a whole number",
            Self::Number => "a number with a fraction",
            Self::String => "text",
            Self::Array => "a list",
            Self::Object => "an object with fields",
        }
    }

    /// How a value of this type is written in place of one of another.
    const fn how_to_write(self, found: Self) -> &'static str {
        match (self, found) {
            (Self::Integer, Self::String) => {
                "write a whole number without quotes and without a unit, such as 300"
            }
            (Self::Integer, _) => "write a whole number, such as 300",
            (Self::String, Self::Boolean) => "write a word; yes, no, on and off need quotes",
            (Self::String, _) => "write text; what looks like a number needs quotes",
            (Self::Array, _) => "write a list: each item on a line of its own behind '- '",
            (Self::Object, _) => "write its fields, each as 'name: value'",
            (Self::Null | Self::Boolean | Self::Number, _) => "write a value of that type",
        }
    }
}

/// Our own texts are `what is wrong: what to do`.
fn split(text: &str, otherwise: &str) -> Words {
    let (wrong, advice) = text.split_once(": ").unwrap_or((text, otherwise));
    Words { wrong: wrong.to_owned(), advice: advice.to_owned() }
}

fn listed(values: &[Value]) -> String {
    let values: Vec<String> = values.iter().map(Value::to_string).collect();
    values.join(", ")
}
