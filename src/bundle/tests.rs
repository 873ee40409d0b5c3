use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::json;

use super::content::{ABOUT, About, OBJECTS, RECORDING, objects, text};
use super::pack::Packer;
use super::unpack::{Report, report};
use crate::explain::explained;
use crate::inspect::{Gap, Snapshot, document};

/// Saved objects of several stuck and held jobs.
fn dump() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/explain/dump.yaml")
}

/// A report of these objects.
fn packed(seen: &Snapshot, more: &[(&str, &[u8])]) -> Vec<u8> {
    let time = seen.newest().unwrap();
    let mut packer = Packer::new(Vec::new(), "dislodge-report".to_owned(), time);
    packer.add_json(ABOUT, &About::new(seen, Some("team-a"), time)).unwrap();
    packer.add_json(OBJECTS, &objects(seen)).unwrap();
    for (name, content) in more {
        packer.add(name, content).unwrap();
    }
    packer.finish().unwrap()
}

/// A file that is taken away again.
struct Kept(PathBuf);

impl Kept {
    fn new(name: &str, content: &[u8]) -> Self {
        let name = format!("dislodge-bundle-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn unpacked(bytes: &[u8]) -> Report {
    report(bytes).unwrap().unwrap()
}

#[test]
fn a_report_is_explained_as_the_cluster_was() {
    let seen = document::read(&[dump()]).unwrap();
    let file = Kept::new("same.tar.gz", &packed(&seen, &[]));
    let read = document::read(&[&file.0]).unwrap();
    let answers = |seen: &Snapshot| {
        let findings = explained(seen, None, seen.newest().unwrap()).unwrap();
        assert!(findings.len() > 1, "{} jobs", findings.len());
        serde_json::to_string_pretty(&findings).unwrap()
    };
    assert_eq!(answers(&read), answers(&seen));
}

#[test]
fn what_could_not_be_read_is_told_of_again_where_the_report_is_read() {
    let gap = Gap { missing: "the right to list nodes".to_owned(), unknown: "nodes".to_owned() };
    let mut seen = document::read(&[dump()]).unwrap();
    seen.gaps.push(gap.clone());
    let file = Kept::new("gap.tar.gz", &packed(&seen, &[]));
    assert_eq!(document::read(&[&file.0]).unwrap().gaps, [gap]);
}

#[test]
fn no_secret_environment_or_argument_gets_into_a_report() {
    let secrets = ["s3cr3t-in-env", "s3cr3t-in-args", "s3cr3t-note", "hunter2", "eyJhbGciOi"];
    let pod = json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": "p", "namespace": "team-a", "annotations": {"mine": secrets[2]}},
        "spec": {"containers": [{"name": "m", "image": "r.io/app:1", "args": [secrets[1]],
                                 "env": [{"name": "TOKEN", "value": secrets[0]}]}]},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "m", "state": {"waiting": {
            "reason": "ErrImagePull",
            "message": "GET https://user:hunter2@r.io/v2/: Authorization: Bearer eyJhbGciOi.abc.def"}}}]}
    });
    let event = json!({
        "kind": "Event", "apiVersion": "v1", "reason": "Failed",
        "metadata": {"name": "e", "namespace": "team-a", "creationTimestamp": "2026-11-24T08:00:00Z"},
        "involvedObject": {"kind": "Pod", "name": "p"},
        "message": "Failed to pull https://user:hunter2@r.io/v2/"
    });
    let mut seen = Snapshot::default();
    let text = json!([pod, event]);
    for object in text.as_array().unwrap() {
        document::add(object, &mut seen).unwrap();
    }
    let text = serde_json::to_string_pretty(&objects(&seen)).unwrap();
    for kept in ["r.io/app:1", "ErrImagePull", "Failed to pull"] {
        assert!(text.contains(kept), "{kept} is missing: {text}");
    }
    for secret in secrets {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let seen = document::read(&[dump()]).unwrap();
    let length = text(&seen, u64::MAX).unwrap().len() as u64;
    assert!(text(&seen, length).is_ok());
    let said = text(&seen, length - 1).unwrap_err().to_string();
    assert!(said.contains("name a namespace with -n"), "{said}");
}

#[test]
fn recordings_come_out_as_they_were_put_in() {
    let seen = document::read(&[dump()]).unwrap();
    let bytes = packed(&seen, &[(RECORDING, b"first"), ("recordings/0000.jsonl.gz", b"second")]);
    let recordings = unpacked(&bytes).recordings;
    let all: Vec<_> = recordings.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
    let second: (&str, &[u8]) = ("recordings/0000.jsonl.gz", b"second");
    assert_eq!(all, [(RECORDING, b"first".as_slice()), second]);
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let seen = document::read(&[dump()]).unwrap();
    assert_eq!(packed(&seen, &[]), packed(&seen, &[]));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A tar with these files in one folder.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let time = "2026-11-24T08:00:00Z".parse().unwrap();
    let mut packer = Packer::new(Vec::new(), "x".to_owned(), time);
    for (name, content) in files {
        packer.add(name, content).unwrap();
    }
    packer.finish().unwrap()
}

#[test]
fn what_is_no_report_is_left_to_whoever_reads_other_files() {
    let zeros = gzip(&[0; 4096]);
    for other in
        [&b""[..], b"\x1f\x8b", b"\x1f\x8b\x08broken", b"kind: Pod\n", &gzip(b"{}"), &zeros]
    {
        assert!(report(Cursor::new(other)).is_none(), "{other:?}");
    }
}

#[test]
fn a_report_that_cannot_be_read_says_why() {
    let seen = document::read(&[dump()]).unwrap();
    let whole = packed(&seen, &[]);
    let newer = br#"{"format": 2, "program": "9.0\u001b[31m", "new": true}"#;
    let rows: [(&[u8], &str); 6] = [
        (&whole[..whole.len() / 2], "cannot be unpacked"),
        (&tar(&[("etc/passwd", b"x")]), "is a tar without about.json and objects.json"),
        (&tar(&[(ABOUT, newer), (OBJECTS, b"{}")]), "is in format 2 of dislodge 9.0\\u{1b}[31m;"),
        (&tar(&[(ABOUT, b"{}"), (OBJECTS, b"{}")]), "has another about.json than a report"),
        (&tar(&[(ABOUT, b"\xff"), (OBJECTS, b"{}")]), "has another about.json than a report"),
        (&tar(&[(ABOUT, br#"{"format":1,"program":""}"#), (OBJECTS, b"{}")]), "about.json"),
    ];
    for (bytes, why) in rows {
        let said = report(bytes).unwrap().unwrap_err();
        assert!(said.contains(why), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn a_bomb_is_left_before_it_fills_the_memory() {
    // 1 GiB of zeros in 1 MiB, as the objects of a report.
    struct Zeros;
    impl std::io::Read for Zeros {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            out.fill(0);
            Ok(out.len())
        }
    }
    let mut header = tar::Header::new_gnu();
    header.set_path("x/objects.json").unwrap();
    header.set_size(1 << 30);
    header.set_mode(0o644);
    header.set_cksum();
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(header.as_bytes()).unwrap();
    std::io::copy(&mut Zeros.take(1 << 30), &mut out).unwrap();
    let bomb = out.finish().unwrap();
    assert!(bomb.len() < 16 << 20, "{}", bomb.len());
    let said = report(&*bomb).unwrap().unwrap_err();
    assert!(said.contains("more than 134217728 bytes"), "{said}");
}

#[test]
fn a_report_can_be_unpacked_by_eye() {
    let seen = document::read(&[dump()]).unwrap();
    let bytes = packed(&seen, &[]);
    let mut archive = tar::Archive::new(GzDecoder::new(&*bytes));
    let mut about = String::new();
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.path().unwrap(), Path::new("dislodge-report/about.json"));
    entry.read_to_string(&mut about).unwrap();
    let about: serde_json::Value = serde_json::from_str(&about).unwrap();
    assert_eq!(about["namespace"], "team-a", "{about}");
}

#[test]
fn a_folder_is_read_with_what_cannot_be_read_left_out() {
    let folder = std::env::temp_dir().join(format!("dislodge-gather-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("namespaces/team-a/pods")).unwrap();
    let pod = "kind: Pod\nmetadata: {name: a, namespace: team-a}\n";
    let lists =
        "kind: PodList\nitems: [{metadata: {name: a, namespace: team-a}}, {metadata: {name: b}}]\n";
    for (name, text) in [
        ("namespaces/team-a/pods.yaml", lists),
        ("namespaces/team-a/pods/a.yaml", pod),
        ("version.txt", "kind: Pod\n"),
        ("broken.yaml", "{[\n"),
        ("wrong.json", r#"{"kind":"Pod","spec":7}"#),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let read = document::read(&[&folder]);
    std::fs::remove_dir_all(&folder).unwrap();
    let read = read.unwrap();
    let names: Vec<&str> = read.pods.iter().map(|pod| &*pod.metadata.name).collect();
    assert_eq!(names, ["a", "b"], "each once");
    let gaps: Vec<&str> = read.gaps.iter().map(|gap| &*gap.missing).collect();
    assert!(gaps.iter().any(|gap| gap.starts_with("2 files of ")), "{gaps:?}");
}
