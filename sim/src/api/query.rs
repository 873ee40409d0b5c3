//! What stands in a URL behind its path.

use super::Method;
use super::refusal::{Cause, Refusal};

/// Parameters, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`.
    pub(super) fn read(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name, true), decoded(value, true)))
                .collect(),
        )
    }

    /// The first parameter of that name that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the parameter says yes: `1`, `t`, `true`, or nothing but its name.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.0.iter().any(|(known, value)| {
            known == name && matches!(value.as_str(), "" | "1" | "t" | "true" | "True" | "TRUE")
        })
    }

    /// A number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            Refusal::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
        })
    }

    /// Whether nothing is to be kept of the request.
    pub(super) fn dry_run(&self, method: Method) -> Result<bool, Refusal> {
        match self.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(Refusal::options(
                method,
                &Cause {
                    reason: "FieldValueNotSupported",
                    message: format!("Unsupported value: [{other:?}]: supported values: \"All\""),
                    field: "dryRun".to_owned(),
                },
            )),
        }
    }
}

/// Undoes the percent encoding. What is no encoding stays as it is.
pub(super) fn decoded(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'+', _) if plus_is_space => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high * 16 + low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_survives_its_way_through_a_url() {
        let query =
            Query::read("fieldSelector=status.phase%21%3DSucceeded%2Ca%3Db&watch=1&x=a+b%2");
        assert_eq!(query.get("fieldSelector"), Some("status.phase!=Succeeded,a=b"));
        assert_eq!(query.get("x"), Some("a b%2"));
        assert!(query.is_set("watch") && !query.is_set("limit"));
    }
}
