//! Names that try to be evidence: every message again, about an image and from hosts that are called
//! like the words of all causes.

use dislodge_engine::message::read;

use crate::corpus::{Row, rows};

/// Words of every cause, as names may spell them.
const WORDS: [&str; 40] = [
    "timeout",
    "not-found",
    "notfound",
    "manifest-unknown",
    "name-unknown",
    "404",
    "401",
    "403",
    "429",
    "500",
    "503-service-unavailable",
    "unauthorized",
    "denied",
    "access-denied",
    "forbidden",
    "toomanyrequests",
    "too-many-requests",
    "rate-limit",
    "x509",
    "tls-handshake-timeout",
    "certificate",
    "no-such-host",
    "lookup",
    "connection-refused",
    "connection-reset",
    "i-o-timeout",
    "eof",
    "unexpected-eof",
    "no-space-left-on-device",
    "invalid-reference-format",
    "signature-required",
    "no-match-for-platform",
    "no-longer-supported",
    "schema-1",
    "insufficient-scope",
    "billing",
    "qps-exceeded",
    "sandbox",
    "unknown",
    "dial-unix",
];
/// Hosts, all of them valid.
const HOSTS: [&str; 14] = [
    "denied.unauthorized.example",
    "timeout:404",
    "x509.not-found.io:5000",
    "toomanyrequests.example.com:429",
    "localhost:503",
    "EOF.example",
    "403.forbidden.test:403",
    "no-such-host.lookup.example",
    "127.0.0.1:401",
    "connection-refused:111",
    "[2001:db8::404]:5000",
    "proxyconnect.tls.example",
    "manifest-unknown.example:65535",
    "signature.rejected.example",
];

/// An image with its parts.
struct Reference {
    image: String,
    /// As runtimes print it.
    host: String,
    repository: String,
    /// With its separator.
    suffix: String,
}

impl Reference {
    fn new(host: &str, repository: &str, suffix: &str) -> Self {
        let image = format!("{host}/{repository}{suffix}");
        Self { image, host: host.into(), repository: repository.into(), suffix: suffix.into() }
    }

    /// Without host and path, from Docker Hub.
    fn short(name: &str, suffix: &str) -> Self {
        let image = format!("{name}{suffix}");
        let suffix = if suffix.is_empty() { ":latest" } else { suffix };
        Self { image, ..Self::new("docker.io", &format!("library/{name}"), suffix) }
    }

    fn tag(&self) -> &str {
        self.suffix.get(1..).unwrap_or_default()
    }
}

/// At least 200 references.
fn references() -> Vec<Reference> {
    let word = |n: usize| WORDS[n % WORDS.len()];
    let mut all = Vec::new();
    for n in 0..150 {
        let host = HOSTS[n % HOSTS.len()];
        let repository = match n % 5 {
            0 => format!("{}/{}", word(n), word(n * 7 + 3)),
            1 => word(n * 3 + 1).replace('-', "_"),
            2 => format!("team/{}/{}/{}", word(n), word(n + 11), word(n + 23)),
            3 => format!("{}.{}/{}", word(n), word(n + 5), word(n + 9)),
            _ => format!("{}__{}", word(n), word(n + 17)),
        };
        let suffix = match n % 6 {
            0 => format!(":{}", word(n + 2)),
            1 => format!(":{}-{}", word(n + 2), word(n + 19).to_uppercase()),
            2 => format!("@sha256:{}", "4041429503".repeat(7).get(..64).unwrap()),
            3 => format!(":v1.{}@sha256:{:064x}", n, 0x404_401_429_503_u64),
            4 => format!(":{}", word(n).replace('-', "_").to_uppercase()),
            _ => ":404".to_owned(),
        };
        all.push(Reference::new(host, &repository, &suffix));
    }
    for n in 0..WORDS.len() {
        all.push(Reference::short(word(n), if n % 2 == 0 { "" } else { ":timeout" }));
    }
    let long = "not-found/".repeat(26).get(..255).unwrap().trim_end_matches(['/', '-']).to_owned();
    all.push(Reference::new("r.io", &long, ":404"));
    all.push(Reference::new("r.io", "Team/TIMEOUT/NotFound", ":Denied"));
    all.push(Reference::new("r.io", "team%2Ftimeout%3A404", ":denied"));
    all.push(Reference::new("r.io", "unauthorized:x509:EOF", ":denied"));
    all.push(Reference::new("r.io", "${DENIED}/timeout", ":${X509}"));
    all.push(Reference::new("r.io", "timeout", "@sha256:404"));
    all.push(Reference::new("r.io", "timeout", "@md5:d41d8cd98f00b204e9800998ecf8427e"));
    all.push(Reference::new("r.io", "a\u{e9}\u{4e2d}/timeout", ":denied"));
    all.push(Reference::new("i", "o", ":timeout"));
    all.push(Reference::new("user:denied@r.io", "app", ":1"));
    assert!(all.len() >= 200, "{}", all.len());
    all
}

/// Hosts that appear in the corpus beside those of the images: of mirrors, blobs and proxies.
const OTHER_HOSTS: [&str; 10] = [
    "reg1.reg.test:5000",
    "registry.test:5000",
    "registry4.test",
    "registry3.test",
    "cdn.corp.example",
    "proxy.corp.example",
    "registry-1.docker.io",
    "registry.other.example",
    "harbor.corp.example",
    "registry.test",
];

fn encoded(text: &str) -> String {
    text.replace('%', "%25").replace('/', "%2F").replace(':', "%3A")
}

/// The parts of the row's own image; `None` where it is no reference at all.
fn parts(image: &str) -> Option<Reference> {
    let (host, rest) = match image.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) => (host, rest.to_owned()),
        _ if image.len() > 4 && !image.contains(['$', '/']) => {
            ("docker.io", format!("library/{image}"))
        }
        _ => return None,
    };
    let at = rest.find('@').or_else(|| rest.rfind(':')).unwrap_or(rest.len());
    let (repository, suffix) = rest.split_at(at);
    let suffix = if suffix.is_empty() { ":latest" } else { suffix };
    Some(Reference { image: image.to_owned(), ..Reference::new(host, repository, suffix) })
}

/// The row's message as if it were about `new`. What it replaces is marked first, so that nothing
/// is replaced twice.
fn disguised(row: &Row, new: &Reference, other_host: &str) -> String {
    let mut text = row.message.clone();
    let swap = |text: &mut String, old: &str, mark: &str| {
        if old.len() > 3 {
            *text = text.replace(old, mark);
        }
    };
    if let Some(old) = parts(&row.image) {
        let docker = row.runtime.starts_with("docker") || row.runtime.starts_with("kubelet");
        let printed = if docker { "\u{1}I" } else { "\u{1}H/\u{1}R\u{1}S" };
        swap(&mut text, &format!("{}/{}{}", old.host, old.repository, old.suffix), printed);
        swap(&mut text, &old.image, printed);
        swap(&mut text, &format!("{}/{}", old.host, old.repository), "\u{1}H/\u{1}R");
        swap(&mut text, &encoded(&old.repository), "\u{1}P");
        swap(&mut text, &old.repository, "\u{1}R");
        for (before, after) in [
            ("manifests/", "\""),
            ("manifests/", ":"),
            ("manifests/", "?"),
            ("[manifests ", "]"),
            ("manifest ", " in "),
        ] {
            let mark = format!("{before}\u{1}T{after}");
            swap(&mut text, &format!("{before}{}{after}", old.tag()), &mark);
        }
        swap(&mut text, &old.host, "\u{1}H");
    } else {
        swap(&mut text, &row.image, "\u{1}I");
    }
    for host in OTHER_HOSTS {
        swap(&mut text, host, "\u{1}O");
    }
    // Only names are looked up, without their ports.
    let name = |host: &str| host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned();
    text.replace("lookup \u{1}H", &format!("lookup {}", name(&new.host)))
        .replace("lookup \u{1}O", &format!("lookup {}", name(other_host)))
        .replace("\u{1}H", &new.host)
        .replace("\u{1}R", &new.repository)
        .replace("\u{1}S", &new.suffix)
        .replace("\u{1}T", new.tag())
        .replace("\u{1}P", &encoded(&new.repository))
        .replace("\u{1}O", other_host)
        .replace("\u{1}I", &new.image)
}

fn changed(image: impl Fn(&Reference) -> Option<String>) -> Vec<String> {
    let references = references();
    let mut changed = Vec::new();
    for row in rows() {
        let truth = row.read();
        for (n, reference) in references.iter().enumerate() {
            let text = disguised(&row, reference, HOSTS[(n * 5 + 1) % HOSTS.len()]);
            let found = read(Some(&row.reason), &text, image(reference).as_deref()).cause;
            if found != truth {
                changed.push(format!("{truth:?} read as {found:?} ({}): {text}", reference.image));
            }
        }
    }
    changed
}

#[test]
fn no_name_of_an_image_or_a_host_changes_the_cause() {
    let changed = changed(|reference| Some(reference.image.clone()));
    assert!(changed.is_empty(), "{} changed, among them\n{}", changed.len(), sample(&changed));
}

#[test]
fn not_even_where_nobody_says_what_the_image_is() {
    let changed = changed(|_| None);
    assert!(changed.is_empty(), "{} changed, among them\n{}", changed.len(), sample(&changed));
}

fn sample(changed: &[String]) -> String {
    let step = (changed.len() / 12).max(1);
    changed.iter().step_by(step).cloned().collect::<Vec<_>>().join("\n")
}
