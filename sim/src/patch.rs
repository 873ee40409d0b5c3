//! How an API server applies a patch to an object, by the patch's content type.

mod strategic;

use json_patch::{AddOperation, Patch as Operations, PatchOperation};
use serde_json::Value;

/// A patch, by its content type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch {
    /// `application/merge-patch+json` (RFC 7386): objects are merged, all else replaced, `null`
    /// removes.
    Merge(Value),
    /// `application/strategic-merge-patch+json`: as [`Patch::Merge`], and lists whose items have a key
    /// are merged item by item. Kubernetes' own kinds alone have such lists.
    Strategic(Value),
    /// `application/json-patch+json` (RFC 6902): operations one after the other, all or none.
    Operations(Operations),
}

/// Why a patch does not apply. The text is for the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inapplicable(pub String);

/// Applies a patch. The object is left as it was where it does not apply.
///
/// # Errors
/// Where an item of a merged list has no key, or an operation does not fit the object.
pub fn apply(object: &mut Value, patch: &Patch) -> Result<(), Inapplicable> {
    match patch {
        Patch::Merge(patch) => {
            json_patch::merge(object, patch);
            Ok(())
        }
        Patch::Strategic(patch) => {
            let mut merged = object.clone();
            strategic::merge(&mut merged, patch)?;
            *object = merged;
            Ok(())
        }
        Patch::Operations(operations) => {
            let mut patched = object.clone();
            for operation in &operations.0 {
                let operation = lenient(operation, &patched);
                json_patch::patch(&mut patched, &[operation])
                    .map_err(|error| Inapplicable(error.to_string()))?;
            }
            *object = patched;
            Ok(())
        }
    }
}

/// Kubernetes' library (`gopkg.in/evanphx/json-patch.v4`) lets a member of an object be replaced that is
/// not there.
fn lenient(operation: &PatchOperation, object: &Value) -> PatchOperation {
    if let PatchOperation::Replace(replace) = operation
        && replace.path.resolve(object).is_err()
    {
        let (path, value) = (replace.path.clone(), replace.value.clone());
        return PatchOperation::Add(AddOperation { path, value });
    }
    operation.clone()
}

#[cfg(test)]
mod tests;
