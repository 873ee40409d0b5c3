//! What a path names.

use super::kinds::{KINDS, Kind, find};
use super::query::decoded;
use super::refusal::Refusal;
use super::validation::Part;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A document about the server itself.
    Document(Vec<String>),
    /// A question whether somebody may do something.
    Review,
    /// Objects of a kind, or one of them.
    Objects(At),
}

/// Objects of a kind, or one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) kind: &'static Kind,
    pub(super) version: &'static str,
    /// `None`: all of them, or the kind has none.
    pub(super) namespace: Option<String>,
    /// `None`: all objects.
    pub(super) name: Option<String>,
    pub(super) part: Part,
    /// The path ends in `/status` or another subresource.
    pub(super) subresource: String,
}

impl At {
    /// What stands in the `apiVersion` of the objects.
    pub(super) fn api_version(&self) -> String {
        self.kind.api_version(self.version)
    }
}

/// Reads a path. `serves` says whether a version of a group is served.
///
/// # Errors
/// Where there is no such thing.
pub(super) fn route(path: &str, serves: impl Fn(&str, &str) -> bool) -> Result<Route, Refusal> {
    let path = path.trim_matches('/');
    let segments: Vec<String> = path.split('/').map(|segment| decoded(segment, false)).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return Ok(Route::Document(segments.iter().map(|&s| s.to_owned()).collect())),
    };
    if group == "authorization.k8s.io" && version == "v1" {
        return match rest {
            ["selfsubjectaccessreviews"] => Ok(Route::Review),
            _ => Err(Refusal::no_resource()),
        };
    }
    if !serves(group, version) {
        return Err(Refusal::NoPath);
    }
    let (namespace, rest) = match rest {
        // The namespace itself, or what is below it.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] if group.is_empty() => {
            (None, rest)
        }
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        _ => (None, rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, None, ""),
        [plural, name] => (*plural, Some(*name), ""),
        [plural, name, subresource] => (*plural, Some(*name), *subresource),
        _ => return Err(Refusal::NoPath),
    };
    let unknown = || {
        let custom = KINDS.iter().any(|kind| kind.custom && kind.group == group);
        if custom { Refusal::NoPath } else { Refusal::no_resource() }
    };
    let kind = find(group, plural).ok_or_else(unknown)?;
    let version = kind.versions.iter().find(|known| **known == version).ok_or_else(unknown)?;
    if namespace.is_some() && !kind.namespaced {
        return Err(unknown());
    }
    let part = match subresource {
        "" => Part::Main,
        "status" if kind.status => Part::Status,
        "finalize" if kind.name == "Namespace" => Part::Main,
        _ if kind.custom => return Err(Refusal::not_found(kind, name.unwrap_or_default())),
        _ => return Err(unknown()),
    };
    Ok(Route::Objects(At {
        kind,
        version,
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        part,
        subresource: subresource.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_kind_a_namespace_an_object_and_a_part_of_it() {
        let all = |_: &str, _: &str| true;
        for (path, plural, namespace, name, subresource) in [
            ("/api/v1/pods", "pods", None, None, ""),
            ("/api/v1/namespaces", "namespaces", None, None, ""),
            ("/api/v1/namespaces/a", "namespaces", None, Some("a"), ""),
            ("/api/v1/namespaces/a/status", "namespaces", None, Some("a"), "status"),
            ("/api/v1/namespaces/a/pods", "pods", Some("a"), None, ""),
            ("/apis/batch/v1/namespaces/a/jobs/j/status", "jobs", Some("a"), Some("j"), "status"),
            ("/apis/kueue.x-k8s.io/v1beta1/clusterqueues/c", "clusterqueues", None, Some("c"), ""),
        ] {
            let Ok(Route::Objects(at)) = route(path, all) else { panic!("{path}") };
            assert_eq!(
                (at.kind.plural, at.namespace.as_deref(), at.name.as_deref(), &*at.subresource),
                (plural, namespace, name, subresource)
            );
        }
    }

    #[test]
    fn what_is_not_served_is_not_found() {
        let none = |group: &str, _: &str| group.is_empty();
        for (path, refusal) in [
            ("/apis/batch/v1/jobs", Refusal::NoPath),
            ("/api/v1/secrets", Refusal::no_resource()),
            ("/api/v1/namespaces/a/pods/p/log", Refusal::no_resource()),
            ("/api/v1/namespaces/a/nodes", Refusal::no_resource()),
        ] {
            assert_eq!(route(path, none), Err(refusal), "{path}");
        }
    }
}
