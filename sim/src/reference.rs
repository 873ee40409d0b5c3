//! Image references as the kubelet and containerd read them (distribution/reference).

use std::fmt;

/// A parsed and normalised image reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Host and port of the registry; `docker.io` where the name has none.
    pub(crate) host: String,
    /// Repository without the host.
    pub(crate) repository: String,
    /// Tag, or the digest with its algorithm: what a manifest is asked for.
    pub(crate) version: String,
    separator: char,
}

impl Reference {
    /// Reads `image`; the error is the text of the Go library.
    pub(crate) fn parse(image: &str) -> Result<Self, String> {
        let (host, rest) = match image.split_once('/') {
            Some((first, rest)) if is_host(first) => (first, rest.to_owned()),
            Some(_) => ("docker.io", image.to_owned()),
            None => ("docker.io", format!("library/{image}")),
        };
        let repository = rest.split([':', '@']).next().unwrap_or_default().to_owned();
        if repository.chars().any(|letter| letter.is_ascii_uppercase()) {
            let name = repository.trim_start_matches("library/");
            return Err(format!(
                "invalid reference format: repository name ({name}) must be lowercase"
            ));
        }
        let suffix = rest.strip_prefix(repository.as_str()).unwrap_or_default();
        let (separator, version) = match (suffix.split_once('@'), suffix.strip_prefix(':')) {
            (Some((_, digest)), _) => ('@', digest),
            (None, Some(tag)) => (':', tag),
            (None, None) => (':', "latest"),
        };
        if is_repository(&repository) && is_version(version, separator) {
            Ok(Self { host: host.to_owned(), repository, version: version.to_owned(), separator })
        } else {
            Err("invalid reference format".to_owned())
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}{}", self.host, self.repository, self.separator, self.version)
    }
}

fn is_host(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':'])
        || first.chars().any(|letter| letter.is_ascii_uppercase())
}

fn is_repository(repository: &str) -> bool {
    repository.split('/').all(|part| {
        part.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            && part.ends_with(|letter: char| letter.is_ascii_alphanumeric())
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
    })
}

fn is_version(version: &str, separator: char) -> bool {
    if separator == '@' {
        return version.split_once(':').is_some_and(|(algorithm, hex)| {
            !algorithm.is_empty()
                && hex.len() >= 32
                && hex.chars().all(|letter| letter.is_ascii_hexdigit())
        });
    }
    version.len() <= 128
        && version.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
        && version.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_normalised_as_containerd_does() {
        let table = [
            ("busybox", "docker.io/library/busybox:latest"),
            ("team/app:v1", "docker.io/team/app:v1"),
            ("registry.example:5000/team/app", "registry.example:5000/team/app:latest"),
            ("localhost/app:v1", "localhost/app:v1"),
            (
                "registry.example/app:v1@sha256:12121212121212121212121212121212",
                "registry.example/app@sha256:12121212121212121212121212121212",
            ),
        ];
        for (image, normalised) in table {
            assert_eq!(Reference::parse(image).unwrap().to_string(), normalised, "{image}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_with_the_librarys_words() {
        let table = [
            (
                "registry.example:5000/Team/App:V 1",
                "invalid reference format: repository name (Team/App) must be lowercase",
            ),
            ("registry.example/team/app:v 1", "invalid reference format"),
            ("registry.example/team/app:", "invalid reference format"),
            ("team//app", "invalid reference format"),
            ("", "invalid reference format"),
        ];
        for (image, error) in table {
            assert_eq!(Reference::parse(image).unwrap_err(), error, "{image}");
        }
    }
}
