//! Image references inside of texts.

/// The registry's host (with port) of an image reference, as containerd and Docker read it: the
/// part before the first `/` where it looks like a host, else Docker Hub.
pub fn registry_host(image: &str) -> &str {
    match image.split_once('/') {
        // Another name of the same (distribution/reference: `legacyDefaultDomain`).
        Some(("index.docker.io", _)) => "docker.io",
        Some((host, _)) if host == "localhost" || host.contains(['.', ':']) => host,
        _ => "docker.io",
    }
}

/// The reference in the one form that runtimes print: with registry, `library/` and tag.
fn normal(image: &str) -> String {
    let host = registry_host(image);
    let path = image.strip_prefix("index.docker.io").or_else(|| image.strip_prefix(host));
    let path = path.map_or(image, |rest| rest.trim_start_matches('/'));
    let path = if host == "docker.io" && !path.contains('/') {
        format!("library/{path}")
    } else {
        path.to_owned()
    };
    let tagged = path.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
    if tagged { format!("{host}/{path}") } else { format!("{host}/{path}:latest") }
}

/// Whether two references mean the same image. With a digest the tag does not matter.
fn same(a: &str, b: &str) -> bool {
    let digest = |r: &str| r.split_once('@').map(|(_, digest)| digest.to_owned());
    match (digest(a), digest(b)) {
        (Some(a), Some(b)) => a == b,
        _ => normal(a) == normal(b),
    }
}

/// The references that a text quotes as such: `image "X"`, `reference "X"`; by the kubelet
/// `image tag "X"`, `image name "X"`.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    ["image \"", "reference \"", "image tag \"", "image name \""].into_iter().flat_map(
        move |opening| {
            text.match_indices(opening).filter_map(move |(at, _)| {
                let rest = text.get(at + opening.len()..)?;
                rest.split_once('"').map(|(name, _)| name).filter(|name| !name.is_empty())
            })
        },
    )
}

/// The references that CRI-O names: `docker://X: ...`. Short names stand there completed, by rules
/// that only the node knows.
fn sources(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("docker://").filter_map(|(at, opening)| {
        let rest = text.get(at + opening.len()..)?;
        rest.split(char::is_whitespace).next().map(|name| name.trim_end_matches(':'))
    })
}

/// References without quotes: Docker's `manifest for X not found`, containerd 2's `failed to resolve
/// image: X: not found`.
fn bare(text: &str) -> impl Iterator<Item = &str> {
    let openings = [("manifest for ", " not found"), ("failed to resolve image: ", ": not found")];
    openings.into_iter().flat_map(move |(opening, closing)| {
        text.match_indices(opening).filter_map(move |(at, _)| {
            let rest = text.get(at + opening.len()..)?;
            let name = rest.split(char::is_whitespace).next()?.trim_end_matches(':');
            rest.strip_prefix(name)?.starts_with(closing).then_some(name)
        })
    })
}

/// Whether the text names this image.
pub(super) fn is_named(text: &str, image: &str) -> bool {
    quoted(text).chain(sources(text)).chain(bare(text)).any(|name| same(name, image))
}

/// Whether the text is about another image: it quotes some, and this one is not among them. After
/// an image edit the first status can carry the old error (live.md 0.7).
pub(super) fn names_another(text: &str, image: &str) -> bool {
    // CRI-O may have completed a short name by rules that only the node knows.
    let completed = !image.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']));
    let sources = sources(text).filter(|_| !completed);
    let mut names = quoted(text).chain(bare(text)).chain(sources).peekable();
    names.peek().is_some() && !names.any(|name| same(name, image))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_the_runtime_would_ask() {
        for (image, host) in [
            ("busybox", "docker.io"),
            ("team/app:1", "docker.io"),
            ("localhost/app", "localhost"),
            ("registry:5000/a/b", "registry:5000"),
            ("gcr.io/a/b@sha256:00", "gcr.io"),
        ] {
            assert_eq!(registry_host(image), host, "{image}");
        }
    }

    #[test]
    fn a_text_about_the_same_image_in_another_spelling_is_about_this_image() {
        for (text, image, another) in [
            (
                r#"failed to pull and unpack image "docker.io/library/busybox:latest": x"#,
                "busybox",
                false,
            ),
            (r#"Back-off pulling image "r.io/a:1""#, "r.io/a:2", true),
            (r#"failed to resolve reference "r.io/a@sha256:11""#, "r.io/a:v1@sha256:11", false),
            ("no image is quoted", "r.io/a:2", false),
            ("manifest for r.io/a:1 not found: manifest unknown", "r.io/a:2", true),
            ("manifest for r.io/a:2 not found: manifest unknown", "r.io/a:2", false),
            ("no matching manifest for linux/amd64 in the list", "r.io/a:2", false),
            ("failed to resolve image: r.io/a:1: not found", "r.io/a:2", true),
            ("failed to resolve image: unexpected status", "r.io/a:2", false),
            ("initializing source docker://r.io/a:1: x", "r.io/a:2", true),
            ("initializing source docker://r.io/a:2: x", "r.io/a:2", false),
            ("initializing source docker://registry.example/a:1: x", "a:1", false),
            (r#"couldn't parse image name "r.io/A:1""#, "r.io/a:2", true),
            (
                r#"failed to resolve reference "docker.io/team/app:1""#,
                "index.docker.io/team/app:1",
                false,
            ),
            (r#"Failed to inspect image "": x"#, "r.io/a:2", false),
        ] {
            assert_eq!(names_another(text, image), another, "{text} / {image}");
        }
    }
}
