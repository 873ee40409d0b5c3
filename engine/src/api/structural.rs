//! From the schema that schemars makes to the one that Kubernetes takes.
//!
//! A structural schema (Kubernetes: "Specifying a structural schema") has one type at each place,
//! no references and no alternatives of shape. schemars writes an optional field as one that may
//! be null and a documented enum as a choice of constants; both become what `controller-gen`
//! would write for the same type in Go.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{ImagePullPolicySpec, ImagePullPolicyStatus, NOT_OBSERVED};

/// The text of the kind. Its first line is what people read who took it for the field.
const DESCRIPTION: &str = "\
ImagePullPolicy is not `containers[].imagePullPolicy`: it says what becomes of a queued job whose image cannot be pulled.
It names queues of its own namespace. Where a Pod of a job there fails to pull its image often and long enough, the job is failed, \
suspended or requeued, and its queue gets the quota back.";

/// The structural schema of the whole object, as the CRD has it.
pub fn schema() -> Value {
    let mut status = of::<ImagePullPolicyStatus>();
    drop_defaults(&mut status);
    if let Some(status) = status.as_object_mut() {
        // Else kstatus takes a policy that no controller has seen for a current one.
        status.insert("default".to_owned(), json!({"observedGeneration": NOT_OBSERVED}));
    }
    json!({
        "type": "object",
        "description": DESCRIPTION,
        "properties": {"spec": of::<ImagePullPolicySpec>(), "status": status},
        "required": ["spec"],
    })
}

/// The structural schema of one type.
fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    restructure(&mut schema);
    schema
}

/// Makes one schema and all inside it structural.
fn restructure(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    schema.remove("title");
    one_type(schema);
    one_enum(schema);
    plain_format(schema);
    one_paragraph(schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(restructure);
    }
    if let Some(items) = schema.get_mut("items") {
        restructure(items);
    }
}

/// `type: [string, null]` becomes `type: string`: an optional field is absent, never null.
fn one_type(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get("type") {
        let only = types.iter().find(|type_| *type_ != "null").cloned();
        schema.insert("type".to_owned(), only.unwrap_or_default());
    }
}

/// A choice of documented constants becomes an enum. The field's own text explains the values.
fn one_enum(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(choices)) = schema.remove("oneOf") {
        let values = choices.iter().filter_map(|choice| choice.get("const")).cloned().collect();
        schema.insert("type".to_owned(), json!("string"));
        schema.insert("enum".to_owned(), Value::Array(values));
    }
}

/// Kubernetes knows no unsigned formats; the minimum says it already.
fn plain_format(schema: &mut Map<String, Value>) {
    if let Some(Value::String(format)) = schema.get_mut("format") {
        *format = format.replace("uint", "int");
    }
}

/// The lines of a doc comment become one paragraph.
fn one_paragraph(schema: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// Takes the defaults of fields out: a status is written whole, by the controller alone.
fn drop_defaults(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    schema.remove("default");
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(drop_defaults);
    }
    if let Some(items) = schema.get_mut("items") {
        drop_defaults(items);
    }
}

#[cfg(test)]
mod tests;
