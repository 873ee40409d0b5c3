//! Each way in which a configuration can be wrong gets its own sentence.

use std::fs;

use super::*;

/// A directory of its own for one test, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dislodge-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.0.join("config");
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
current-context: dev
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {token: t}}]
contexts:
- {name: dev, context: {cluster: c, user: u}}
- {name: prod, context: {cluster: c, user: u}}
";

async fn connection(path: &Path, context: Option<&str>) -> Result<Connection, ClientError> {
    let clock = Clock::start();
    let metrics = Metrics::new(crate::health::Health::new(clock));
    connect(Some(path), context, Speaker::Controller(&metrics, clock)).await
}

async fn refusal(path: &Path, context: Option<&str>) -> String {
    connection(path, context).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_kubeconfig_that_is_not_there_is_named() {
    let said = refusal(Path::new("/nowhere/config"), None).await;
    assert_eq!(
        said,
        "the kubeconfig /nowhere/config (from --kubeconfig) does not exist: name a file that does, \
         or leave it out to use the Pod's service account"
    );
}

#[tokio::test]
async fn a_kubeconfig_that_is_no_yaml_is_named_with_the_reason() {
    let scratch = Scratch::new("no-yaml");
    let path = scratch.file("clusters: [");
    let said = refusal(&path, None).await;
    assert!(said.contains(path.to_str().unwrap()) && said.contains("cannot be read"), "{said}");
}

#[tokio::test]
async fn an_unknown_context_is_told_with_those_that_there_are() {
    let scratch = Scratch::new("context");
    let said = refusal(&scratch.file(KUBECONFIG), Some("staging")).await;
    assert!(said.contains("\"staging\"") && said.contains("dev, prod"), "{said}");
}

#[tokio::test]
async fn a_kubeconfig_without_a_current_context_asks_for_one() {
    let scratch = Scratch::new("no-context");
    let text = KUBECONFIG.replace("current-context: dev\n", "");
    let said = refusal(&scratch.file(&text), None).await;
    assert!(said.contains("no current context") && said.contains("dev, prod"), "{said}");
}

#[tokio::test]
async fn a_good_kubeconfig_gives_a_client_and_the_address() {
    let scratch = Scratch::new("good");
    let connection = connection(&scratch.file(KUBECONFIG), Some("prod")).await.unwrap();
    assert_eq!(connection.address, "https://127.0.0.1:1/");
}

#[test]
fn a_refusal_says_what_to_do() {
    let refused = |code: u16, message: &str| {
        let status = kube::core::Status::failure(message, "X").with_code(code);
        describe(&kube::Error::Api(status.boxed()))
    };
    assert!(refused(401, "Unauthorized").contains("renew the token"));
    assert!(refused(403, "pods is forbidden").starts_with("the right is missing (403): pods"));
}
