//! Which documents are policies.

use dislodge_engine::api::{self, ImagePullPolicySpec, validate};
use serde_json::Value;

use super::nearest;
use crate::source::tree::{Content, Node, Position};

/// What a document is.
pub(super) enum Document<'a> {
    /// A policy, and whether it is an item of a list, as kubectl writes what stands in a cluster.
    Policy(&'a Node, bool),
    /// What would be one under another name.
    Misnamed { at: Position, field: &'static str, wrong: String, advice: String },
    /// Anything else, with its kind in words.
    Other { at: Position, kind: String },
}

/// A policy that can be understood, whatever is wrong with it.
pub(super) struct Policy {
    /// As it was written.
    pub(super) written: Value,
    pub(super) spec: ImagePullPolicySpec,
}

/// All documents, lists taken apart.
pub(super) fn policies(nodes: &[Node]) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    for node in nodes {
        collect(node, None, false, &mut documents);
    }
    documents
}

/// The API server leaves the kind of a list's items out: `untold` is what it then is.
fn collect<'a>(
    node: &'a Node,
    untold: Option<&str>,
    is_item: bool,
    documents: &mut Vec<Document<'a>>,
) {
    match &node.content {
        Content::Scalar(Value::Null) => {}
        Content::Scalar(value) => {
            let kind = validate::Kind::of(value).article().to_owned();
            documents.push(Document::Other { at: node.at, kind });
        }
        Content::List(items) => {
            for item in items {
                collect(item, untold, is_item, documents);
            }
        }
        Content::Fields(_) => match (node.text("kind"), node.get("items")) {
            (Some(kind), Some(Node { content: Content::List(items), .. }))
                if kind.ends_with("List") =>
            {
                let of_ours = kind.strip_suffix("List").filter(|kind| *kind == api::KIND);
                for item in items {
                    collect(item, of_ours, true, documents);
                }
            }
            (kind, _) => documents.push(one(node, kind.or(untold), is_item)),
        },
    }
}

fn one<'a>(node: &'a Node, kind: Option<&str>, is_item: bool) -> Document<'a> {
    let version = node.text("apiVersion");
    let ours = version.is_some_and(|version| version.split('/').next() == Some(api::GROUP));
    match kind {
        Some(api::KIND) if version == Some(api::API_VERSION) || (is_item && version.is_none()) => {
            Document::Policy(node, is_item)
        }
        Some(api::KIND) => Document::Misnamed {
            at: node.position("apiVersion"),
            field: "apiVersion",
            wrong: version.map_or_else(
                || "`apiVersion` is missing".to_owned(),
                |version| format!("there is no ImagePullPolicy in {version}"),
            ),
            advice: format!("write apiVersion: {}", api::API_VERSION),
        },
        Some(kind) if ours || nearest::is_near(kind, api::KIND) => Document::Misnamed {
            at: node.position("kind"),
            field: "kind",
            wrong: format!("there is no kind {kind} in {}", api::GROUP),
            advice: format!("write kind: {}", api::KIND),
        },
        None if ours => Document::Misnamed {
            at: node.at,
            field: "kind",
            wrong: "`kind` is missing".to_owned(),
            advice: format!("write kind: {}", api::KIND),
        },
        Some(kind) => Document::Other { at: node.at, kind: format!("a document of kind {kind}") },
        None => Document::Other { at: node.at, kind: "a document without `kind`".to_owned() },
    }
}

/// The policy, as far as it can be understood.
pub(super) fn decode(written: &Value) -> Option<Policy> {
    let mut object = written.clone();
    validate::apply_defaults(&mut object);
    let spec = serde_json::from_value(object.get_mut("spec")?.take()).ok()?;
    Some(Policy { written: written.clone(), spec })
}
