//! What is masked, and what is not.

use super::mask;

/// Texts, and what is left of each.
const SECRETS: &[(&str, &str)] = &[
    // URLs
    (r#"Get "https://bob:hunter2@r.io/v2/": EOF"#, r#"Get "https://***@r.io/v2/": EOF"#),
    (
        r#"Get "https://s3.example/blob?X-Amz-Signature=abc&X-Amz-Expires=60": EOF"#,
        r#"Get "https://s3.example/blob?X-Amz-Signature=***&X-Amz-Expires=***": EOF"#,
    ),
    (
        "http://s3.example/b?X-Amz-Credential=AK%2F1&X-Amz-Security-Token=x&AWSAccessKeyId=y: 403",
        "http://s3.example/b?X-Amz-Credential=***&X-Amz-Security-Token=***&AWSAccessKeyId=***: 403",
    ),
    (
        "https://storage.googleapis.com/b/o?GoogleAccessId=sa@p.iam&X-Goog-Signature=S%2Babc",
        "https://storage.googleapis.com/b/o?GoogleAccessId=***&X-Goog-Signature=***",
    ),
    (
        r#"Get "https://a.blob.core.windows.net/c?sv=2020&se=2024-01-01T00%3A00Z&sp=r&sig=ab/c=": EOF"#,
        r#"Get "https://a.blob.core.windows.net/c?sv=***&se=***&sp=***&sig=***": EOF"#,
    ),
    (
        "https://cdn/x?Policy=eyI_&Signature=a~b&Key-Pair-Id=APKA",
        "https://cdn/x?Policy=***&Signature=***&Key-Pair-Id=***",
    ),
    ("https://cdn/x?scope=SEKRET&ns=r.io", "https://cdn/x?scope=***&ns=r.io"),
    ("https://cdn/x?a=b,sig=SEKRET", "https://cdn/x?a=***"),
    ("https://cdn/x;sig=SEKRET", "https://cdn/x;sig=***"),
    ("https://cdn/x#access_token=SEKRET", "https://cdn/x#access_token=***"),
    ("http://bob:pass/w0rd@proxy:3128 refused", "http://***@proxy:3128 refused"),
    ("http://bob:1/w0rd@proxy:3128 refused", "http://***@proxy:3128 refused"),
    (r#"parse "http://bob:p@ss/w0rd@proxy:3128""#, r#"parse "http://***@proxy:3128""#),
    ("https://bob:p%40ss%2Fw@r.io/app", "https://***@r.io/app"),
    (r"https:\/\/bob:SEKRET1@cdn\/x", r"https:\/\/***@cdn\/x"),
    (r"https:\/\/cdn\/x?sig=SEKRET", r"https:\/\/cdn\/x?sig=***"),
    (
        r#"Get \"https://cdn/x?X-Amz-Security-Token=S\u0026X-Amz-Credential=AK\": EOF"#,
        r#"Get \"https://cdn/x?X-Amz-Security-Token=***\u0026X-Amz-Credential=***\": EOF"#,
    ),
    ("https%3A%2F%2Fbob%3ASEKRET%40host/x", "https%3A%2F%2F***%40host/x"),
    ("https%3A%2F%2Fcdn%2Fx%3Fsig%3DSEKRET", "https%3A%2F%2Fcdn%2Fx%3Fsig%3D***"),
    ("https%253A%252F%252Fbob%253ASEKRET%2540host", "https%253A%252F%252F***%2540host"),
    ("https://ghp_x@r.io", "https://***@r.io"),
    ("https://r.io/token/ghp_16C7e42F292c6912E7710c838347Ae178B4a/x", "https://r.io/token/***/x"),
    ("https://r.io/v2/_token/abcdef123/blobs", "https://r.io/v2/_token/***/blobs"),
    (r#"parse "http://bob:hun ter@proxy:3128": x"#, r#"parse "http://***@proxy:3128": x"#),
    ("bob:hunter2@r.io/app:1", "***@r.io/app:1"),
    ("bob:hunter2@proxy.local:3128 refused", "***@proxy.local:3128 refused"),
    (
        "bob:p1@r.io/app:1@sha256:1212121212121212121212121212121212121212121212121212121212121212",
        "***@r.io/app:1@sha256:1212121212121212121212121212121212121212121212121212121212121212",
    ),
    ("user bob:hunter2 rejected", "user *** rejected"),
    // Keys
    (r#"{"password":"hunter"}"#, r#"{"password":"***"}"#),
    (r#"{"password":hunter}"#, r#"{"password":***}"#),
    (
        r#"{"username":"bob","password":"letmein","email":"x"}"#,
        r#"{"username":"bob","password":"***","email":"x"}"#,
    ),
    (r#"{"access_token" : "abcdef"}"#, r#"{"access_token" : "***"}"#),
    (r#"{"token":"s3cr3t-Value","expires_in":300}"#, r#"{"token":"***","expires_in":300}"#),
    (r#"{\"token\":\"abc\"}"#, r#"{\"token\":\"***\"}"#),
    (r#"{\\\"token\\\":\\\"abc\\\"}"#, r#"{\\\"token\\\":\\\"***\\\"}"#),
    (r#"{"password":"a\"b c"} x"#, r#"{"password":"***"} x"#),
    (r#"{"token":"cut of"#, r#"{"token":"***"#),
    ("%7B%22token%22%3A%22abc%22%7D", "%7B%22token%22%3A%22***%22%7D"),
    (r#"{"identitytoken":"a","secretKey":"b"}"#, r#"{"identitytoken":"***","secretKey":"***"}"#),
    (r#"{"auths":{"r.io":{"auth":"YWJjZGVm"}}}"#, r#"{"auths":{"r.io":{"auth":"***"}}}"#),
    ("password: hunter", "password: ***"),
    ("login: password: hunter, user: bob", "login: password: ***, user: bob"),
    ("wrong password: hunter2 was given", "wrong password: *** was given"),
    ("password = hunter", "password = ***"),
    ("password=hunter2 refused", "password=*** refused"),
    ("password=a%26b refused", "password=*** refused"),
    ("map[password:hunter user:bob]", "map[password:*** user:bob]"),
    ("docker login --password letmein -u bob", "docker login --password *** -u bob"),
    ("docker login -u bob -p letmein", "docker login -u bob -p ***"),
    ("login failed with password letmein", "login failed with password ***"),
    ("password 'letmein' is wrong", "password '***' is wrong"),
    ("token deadbeefdeadbeefdeadbeef01 is invalid", "token *** is invalid"),
    ("username=bob,password=hunter2", "username=bob,password=***"),
    ("refresh_token=abcdef sessionToken=a", "refresh_token=*** sessionToken=***"),
    ("client_secret: SEKRET9", "client_secret: ***"),
    ("AWS_SECRET_ACCESS_KEY=wJalr/K7MDENG/bPx", "AWS_SECRET_ACCESS_KEY=***"),
    ("Credential=AKIAIOSFODNN7EXAMPLE/20240101/eu", "Credential=***"),
    ("<AWSAccessKeyId>AKIAI</AWSAccessKeyId>", "<AWSAccessKeyId>***</AWSAccessKeyId>"),
    ("<SignatureProvided>S=</SignatureProvided>", "<SignatureProvided>***</SignatureProvided>"),
    // Headers
    ("Authorization: Basic abc", "Authorization: Basic ***"),
    ("Authorization:Bearer s3cr3tXX", "Authorization:Bearer ***"),
    ("authorization: Token s3cr3tXX", "authorization: Token ***"),
    ("Authorization: s3cr3tXX and more\nHost: r.io", "Authorization: ***\nHost: r.io"),
    ("Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "Authorization: Bearer ***"),
    (r#"curl -H "Authorization: Basic abc" r.io"#, r#"curl -H "Authorization: Basic ***" r.io"#),
    (
        "map[Authorization:[Bearer s3cr3t] Host:[r.io]]",
        "map[Authorization:[Bearer ***] Host:[r.io]]",
    ),
    (r#"{"Authorization":["Basic abc"]}"#, r#"{"Authorization":["Basic ***"]}"#),
    (
        r#"Proxy-Authorization: Digest username="a", response="b""#,
        "Proxy-Authorization: Digest ***",
    ),
    ("X-Api-Key: abcd", "X-Api-Key: ***"),
    ("X-JFrog-Art-Api: AKCp8abcdefghij", "X-JFrog-Art-Api: ***"),
    ("Cookie: JSESSIONID=sess1; a=b", "Cookie: ***"),
    (r"Set-Cookie: session=sess1; Path=/\r\nX: y", r"Set-Cookie: ***\r\nX: y"),
    ("Bearer secretword refused", "Bearer *** refused"),
    ("header Basic dXNlcjpwYXNzd29yZA== refused", "header Basic *** refused"),
    ("authorization header: Basic YWJjZGVm", "authorization header: Basic ***"),
    // Looks
    ("AWS:QVdTOmV5SnBZWGxzYjJGa", "AWS:***"),
    ("login as QVdTOmV5SnBZWGxz", "login as ***"),
    ("login with ghp_16C7e42F292c6912E7710c838347Ae178B4a", "login with ***"),
    ("hvs.CAESIJabcdefghijklmnop", "***"),
    ("npm_abcdefghijklmnopqrstuvwxyz0123456789", "***"),
    ("sk-abcdefghijklmnopqrstuvwxyz012345", "***"),
    ("dop_v1_0123456789abcdef0123456789abcdef", "***"),
    ("AKCp8abcdefghij", "***"),
    ("0123456789abcdef0123456789abcdef01234567 is no login", "*** is no login"),
    ("wJalrXUtnFEMIzK7MDENGzbPxRfiCYzEXAMPLEKEY", "***"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE", "***"),
    ("a -----BEGIN X-----\nMIIE\n-----END X----- b", "a *** b"),
];

/// Texts that hold no secret.
const PLAIN: &[&str] = &[
    "dial tcp 10.0.0.1:443: i/o timeout",
    "invalid token: token expired",
    "invalid_token: The access token expired",
    "Requesting bearer token: received unexpected HTTP status: 403 Forbidden",
    "unable to retrieve auth token: invalid username/password: unauthorized: incorrect username or password",
    "no basic auth credentials",
    "password authentication is not allowed",
    "authorization token has expired",
    "failed to fetch oauth token: unexpected status: 401 Unauthorized",
    "failed to fetch anonymous token: 401 Unauthorized",
    "failed to fetch anonymous token: authentication required",
    r#"failed to fetch oauth token: Post "https://auth.docker.io/token": EOF"#,
    "Your authorization token has expired. Reauthenticate and try again.",
    "unable to decode token response: invalid character '<' looking for beginning of value",
    "authorization failed: no basic auth credentials",
    "may require authorization: server message: insufficient_scope: authorization failed",
    "error getting credentials - err: exit status 1, credential helper not found",
    "failed to set docker credentials: Error response from daemon: denied",
    r#"secret "regcred" not found"#,
    r#"couldn't find secret: secrets "regcred" not found"#,
    "unauthorized: authentication required",
    "unauthorized: incorrect username or password",
    r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull",error="invalid_token""#,
    "the Bearer token was refused, Basic authentication too",
    "invalid token: AADSTS700016: Application with identifier 'x' was not found",
    "invalid client_secret: AADSTS7000215: Invalid client secret provided",
    r#"invalid reference "app:v1@sha256:abc""#,
    "user@example.com may not pull",
    "app@md5:d41d8cd98f00b204e9800998ecf8427e: unsupported digest algorithm",
    "r.io:5000/app@sha256:1212121212121212121212121212121212121212121212121212121212121212",
    "docker://r.io:5000/app@sha256:1212121212121212121212121212121212121212121212121212121212121212",
    "docker://alpine@sha256:abc",
    "app:1@sha256:1212121212121212121212121212121212121212121212121212121212121212",
    "r.io/team/app:0123456789abcdef0123456789abcdef01234567: not found",
    r#"Failed to pull image "token": pull access denied"#,
    r#"Failed to pull image "team-token:main": not found"#,
    "unauthorized: token: signature is invalid",
    "r.io/team/token:v1: not found",
    "r.io/team/my-secret:main: not found",
    "container 1212121212121212121212121212121212121212121212121212121212121212 is gone",
    "reading manifest Release_2024_Build_ABCDEFGHIJKLMNOPQRSTUVWXYZ in r.io/a",
    "io.example.registry.internal.AbstractRegistryClientFactoryBean2",
    "extract-984227496-f9et sha256:1212121212121212121212121212121212121212121212121212121212121212",
    "/var/lib/kubelet/pods/0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0/volumes/kubernetes.io~projected/x",
    "GET request to http://r.io/token?scope=repository%3Aa%3Apull&service=r.io: 401",
    "Head \"/v2/app/manifests/v1?ns=docker.io\": stopped after 10 redirects",
    "http://r.io/token?scope=%5BREDACTED%5D&service=%5BREDACTED%5D",
    "Is the docker daemon running?",
    "quay.io/team+robot may not pull",
    "git@github.com:team/app.git and containers-storage:[overlay@/var/lib/containers]",
    r"failed to copy C:\ProgramData\docker\windowsfilter\4368385d64161943864fe935406b94967bacb3492bf7f9",
];

#[test]
fn secrets_are_masked() {
    for (text, masked) in SECRETS {
        assert_eq!(mask(text), *masked, "{text}");
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in PLAIN {
        assert_eq!(mask(text), *text);
    }
}

#[test]
fn masking_twice_is_masking_once() {
    for text in SECRETS.iter().map(|(text, _)| text).chain(PLAIN) {
        let once = mask(text);
        assert_eq!(mask(&once), once, "{text}");
    }
}

/// Were one step quadratic, this would take minutes.
#[test]
fn a_long_text_is_masked_at_once() {
    for piece in [
        "token",
        "token:",
        "/token:",
        "token:x://",
        "token: \"",
        "\"token\":\"",
        "\\\"token\\\":\\\"",
        "password ",
        "password '",
        "@",
        "a:b@",
        "@sha256:",
        "a://",
        "a://b@",
        "?a=",
        "?",
        "#a=b&",
        "authorization:",
        "Authorization: ",
        "Authorization: [\"",
        "x-token: \"a",
        "bearer ",
        "bearer:",
        "user a:b ",
        "user ",
        "<token>",
        "\\",
        "\\u0026",
        "%",
        "%25",
        "%3A",
        "a=",
        "/a",
        "-----BEGIN ",
        "-----BEGIN -----END ",
        "eyJ",
        "aB1",
        " ",
        "'",
        "[",
        "-p ",
        "login -p \"",
    ] {
        let text = piece.repeat((1 << 18) / piece.len());
        mask(&text);
        mask(&format!("\"{text}"));
    }
}
