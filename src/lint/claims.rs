//! What only several policies together get wrong: names and queues that two of them claim.

use std::collections::BTreeMap;

use super::code::Code;
use super::document::Policy;
use super::finding::Finding;
use super::input::Input;
use crate::source::tree::{Node, Position};

/// Where policies count as being in one namespace. Without a namespace in the file it is given later
/// (`kubectl -n`, kustomize): then those of one folder are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Namespace(String),
    Folder(String),
}

/// Where something was claimed first.
#[derive(Clone, Debug)]
struct First {
    policy: String,
    file: String,
    at: Position,
}

/// All claims so far.
#[derive(Debug, Default)]
pub(super) struct Claims {
    names: BTreeMap<(Place, String), First>,
    queues: BTreeMap<(Place, String), First>,
}

impl Claims {
    /// Adds a policy, and tells what another one has claimed before it.
    pub(super) fn add(
        &mut self,
        policy: &Policy,
        node: &Node,
        input: &Input,
        namespace: Option<&str>,
        findings: &mut Vec<Finding>,
    ) {
        let metadata = node.get("metadata");
        let text = |name: &str| metadata.and_then(|metadata| metadata.text(name));
        let place = match text("namespace").or(namespace) {
            Some(namespace) => Place::Namespace(namespace.to_owned()),
            None => Place::Folder(input.folder().to_string_lossy().into_owned()),
        };
        let name = text("name").unwrap_or_default().to_owned();
        let mut is_again = false;
        if !name.is_empty() {
            let field = "metadata.name";
            let at = node.position(field);
            let first = First { policy: name.clone(), file: input.name.clone(), at };
            if let Some(first) = claim(&mut self.names, &place, &name, first) {
                is_again = true;
                let wrong = format!("{name} is a policy already, at {}", first.place());
                let advice = "give one of the two another name, or another namespace";
                findings.push(Finding::new(
                    Code::SamePolicyTwice,
                    &input.name,
                    at,
                    field,
                    &wrong,
                    advice,
                ));
            }
        }
        // One and the same policy does not contest itself.
        if is_again {
            return;
        }
        for (index, queue) in policy.spec.queues.iter().enumerate() {
            let field = format!("spec.queues[{index}]");
            let at = node.position(&field);
            let first = First { policy: name.clone(), file: input.name.clone(), at };
            let key = queue.to_string();
            if let Some(first) = claim(&mut self.queues, &place, &key, first)
                && first.policy != name
            {
                let wrong = format!(
                    "{key} is named by policy {:?} as well, at {}",
                    first.policy,
                    first.place()
                );
                let advice =
                    "name it in one of the two: the older policy governs it, the other does not";
                findings.push(Finding::new(
                    Code::ContestedQueue,
                    &input.name,
                    at,
                    &field,
                    &wrong,
                    advice,
                ));
            }
        }
    }
}

/// The one who claimed it before.
fn claim(
    claims: &mut BTreeMap<(Place, String), First>,
    place: &Place,
    name: &str,
    first: First,
) -> Option<First> {
    let key = (place.clone(), name.to_owned());
    if let Some(earlier) = claims.get(&key) {
        return Some(earlier.clone());
    }
    claims.insert(key, first);
    None
}

impl First {
    fn place(&self) -> String {
        format!("{}:{}", self.file, self.at.line)
    }
}
