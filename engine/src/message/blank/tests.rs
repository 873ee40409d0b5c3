//! What stays of a text: `·` stands for what is blanked, however long.

use super::*;

fn shown(text: &str, image: &str) -> String {
    let mut shown = String::new();
    for part in blank(text, image).chunk_by(|a, b| (*a == BLANK) == (*b == BLANK)) {
        match part.first() {
            Some(&BLANK) => shown.push('·'),
            _ => shown.push_str(std::str::from_utf8(part).unwrap()),
        }
    }
    shown
}

#[test]
fn what_names_something_is_blanked_and_what_says_something_stays() {
    for (text, expected) in [
        // Shapes.
        ("pulling docker.io/library/busybox:latest: EOF", "pulling ·: EOF"),
        ("see https://r.io/v2/a,b(c)?x=1;y: 403 Forbidden", "see ·: 403 Forbidden"),
        (
            "dial tcp 10.0.0.1:443: connect: connection refused",
            "dial tcp ·: connect: connection refused",
        ),
        ("dial tcp [2001:db8::1]:443: i/o timeout", "dial tcp [·]:443: i/o timeout"),
        ("read tcp 1.1.1.1:1->2.2.2.2:2: read: broken", "read tcp ·>·: read: broken"),
        ("sha256:0a1b2c expected", "· expected"),
        ("layer 0a1b2c3d4e5f is", "layer · is"),
        ("layer 0a1b2c3 is defaced", "layer 0a1b2c3 is defaced"),
        ("layer deadbeef is", "layer · is"),
        ("mount //10.0.0.5/share(denied): x", "mount ·(denied): x"),
        ("open /var/lib/containerd/x: no space", "open ·: no space"),
        ("a%2Fb denied", "· denied"),
        ("100% denied", "100% denied"),
        ("bob@example denied", "· denied"),
        ("The end. Of it: yes.", "The end. Of it: yes."),
        ("i/o error and i/o timeout", "· error and i/o timeout"),
        // Quotes.
        (r#"reference "timeout": x"#, r#"reference "·": x"#),
        (r#"body "Too Many Requests" x"#, r#"body "Too Many Requests" x"#),
        (r#"body "a \"timeout\" b" x"#, r#"body "a \"·\" b" x"#),
        (r#"unclosed "timeout and"#, r#"unclosed "timeout and"#),
        (r#"an empty "" one"#, r#"an empty "" one"#),
        ("name 'team' and don't 'x y'", "name '·' and don't 'x y'"),
        ("none of 'eof','denied' is", "none of '·','·' is"),
        (r#"{"message":"x y","detail":"denied"}"#, r#"{"·":"x y","·":"·"}"#),
        (
            r#"body "{\"message\":\"x y\",\"detail\":\"denied\"}" x"#,
            r#"body "{\"·\":\"x y\",\"·\":\"·\"}" x"#,
        ),
        (r#"body "a \"x y\" b","denied""#, r#"body "a \"x y\" b","·""#),
        (r#"{"code":"DENIED","message":"timeout"}"#, r#"{"·":"DENIED","·":"·"}"#),
        (r#"{"code": "DENIED"}"#, r#"{"·": "DENIED"}"#),
        (r#"{"code":"NAME_UNKNOWN"}"#, r#"{"·":"NAME_UNKNOWN"}"#),
        (r#"{"code":"denied"}"#, r#"{"·":"·"}"#),
        (r#""{\"code\":\"DENIED\",\"message\":\"x y\"}""#, r#""{\"·\":\"DENIED\",\"·\":\"x y\"}""#),
        (r#"{"name":"DENIED"}"#, r#"{"·":"·"}"#),
        // Words before a name.
        (
            "dial tcp: lookup timeout on 1.1.1.1:53: no such host",
            "dial tcp: lookup · on ·: no such host",
        ),
        ("(lookup), cannot", "(lookup), cannot"),
        ("pulling from host denied failed", "pulling from host · failed"),
        ("pinging container registry denied: x", "pinging container registry ·: x"),
        ("the registry denied: x", "the registry denied: x"),
        ("reading manifest denied in r.io/a: x", "reading manifest · in ·: x"),
        ("manifest for denied not found", "manifest for · not found"),
        ("pull access denied for denied, x", "pull access denied for ·, x"),
        ("image pull failed for denied because", "image pull failed for · because"),
        ("image name denied returns", "image name · returns"),
        ("status code [manifests denied]: 403", "status code [manifests ·]: 403"),
        ("status code [blobs denied]: 403", "status code [blobs ·]: 403"),
        ("two manifests denied: 403", "two manifests denied: 403"),
        ("repository denied not found: x", "repository · not found: x"),
        ("project eof not found", "project · not found"),
        ("repository does not exist or name unknown", "repository does not exist or name unknown"),
        ("pinging docker registry eof: x", "pinging docker registry ·: x"),
        ("Tag denied not found in repository a/b", "Tag · not found in repository ·"),
        (
            "cannot validate certificate for denied because",
            "cannot validate certificate for · because",
        ),
        ("wanted to match denied", "wanted to match ·"),
        (
            "x509: certificate is valid for a, denied, not eof; forbidden",
            "x509: certificate is valid for ·, ·, not ·; forbidden",
        ),
        ("certificate is valid for eof\ndenied", "certificate is valid for ·\ndenied"),
        ("valid for eof: denied eof", "valid for ·: denied eof"),
        ("valid for eof, not eof, denied", "valid for ·, not ·, denied"),
        ("valid for eof denied, denied", "valid for · denied, denied"),
        // Odd bytes.
        ("a\0b denied", "a b denied"),
        ("d\u{e9}nied \u{4e2d}/\u{6587}: denied", "d\u{e9}nied ·: denied"),
    ] {
        assert_eq!(shown(text, ""), expected, "{text}");
    }
}

#[test]
fn an_image_without_a_shape_is_blanked_where_the_words_say_that_it_is_one() {
    for (image, text, expected) in [
        (
            "denied",
            "Error: denied: \"denied\" (denied) docker://denied x",
            "Error: denied: \"·\" (·) · x",
        ),
        ("denied", "pull access denied for denied, x", "pull access denied for ·, x"),
        ("denied", "reference deniedly", "reference deniedly"),
        ("unknown", "name unknown", "name unknown"),
        ("denied", "Error: image denied not found", "Error: image · not found"),
        ("team", "Error: image team:denied not found", "Error: image · not found"),
        ("Team/App:V 1", "parse \"Team/App:V 1\": bad", "parse \"·\": bad"),
        ("a b", "a b: \"a b\"", "a b: \"·\""),
        ("", "x", "x"),
    ] {
        assert_eq!(shown(text, image), expected, "{text}");
    }
}

#[test]
fn the_blanked_parts_are_told_in_order() {
    let text = "a/b and c/d";
    assert_eq!(ranges(&blank(text, "")), [0..3, 8..11]);
    assert!(ranges(&blank("nothing here", "")).is_empty());
}
