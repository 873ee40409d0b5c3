//! Secrets in texts that are about to be written.

use std::borrow::Cow;

use dislodge_engine::message::mask;
use serde_json::Value;

/// The value with the secrets masked in each of its texts: none is forgotten, whichever field it
/// stands in. Names, uids and times are no secrets to the mask.
pub(crate) fn masked(mut value: Value) -> Value {
    mask_in(&mut value);
    value
}

fn mask_in(value: &mut Value) {
    match value {
        Value::String(text) => {
            let masked = match mask(text) {
                Cow::Owned(masked) => masked,
                Cow::Borrowed(_) => return,
            };
            *text = masked;
        }
        Value::Array(items) => items.iter_mut().for_each(mask_in),
        Value::Object(fields) => fields.values_mut().for_each(mask_in),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
