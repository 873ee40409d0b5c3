//! Image references as the kubelet and containerd read them (distribution/reference).

use std::borrow::Cow;
use std::fmt;

/// A parsed and normalised image reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference<'i> {
    /// Host and port of the registry; `docker.io` where the name has none.
    pub(crate) host: &'i str,
    /// Repository without the host.
    pub(crate) repository: Cow<'i, str>,
    /// Tag, or the digest with its algorithm: what a manifest is asked for.
    pub(crate) version: &'i str,
    separator: char,
}

impl<'i> Reference<'i> {
    /// Reads `image`; the error is the text of the Go library.
    pub(crate) fn parse(image: &'i str) -> Result<Self, String> {
        let (host, library, rest) = match image.split_once('/') {
            Some((first, rest)) if is_host(first) => (first, "", rest),
            Some(_) => ("docker.io", "", image),
            None => ("docker.io", "library/", image),
        };
        let name = rest.split([':', '@']).next().unwrap_or_default();
        let repository = match library {
            "" => Cow::Borrowed(name),
            library => Cow::Owned(format!("{library}{name}")),
        };
        if repository.chars().any(|letter| letter.is_ascii_uppercase()) {
            let name = repository.trim_start_matches("library/");
            return Err(format!(
                "invalid reference format: repository name ({name}) must be lowercase"
            ));
        }
        let suffix = rest.strip_prefix(name).unwrap_or_default();
        let (separator, version) = match (suffix.split_once('@'), suffix.strip_prefix(':')) {
            (Some((_, digest)), _) => ('@', digest),
            (None, Some(tag)) => (':', tag),
            (None, None) => (':', "latest"),
        };
        if is_repository(&repository) && is_version(version, separator) {
            Ok(Self { host, repository, version, separator })
        } else {
            Err("invalid reference format".to_owned())
        }
    }
}

impl fmt::Display for Reference<'_> {
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
