//! The least that a client can do: it reads the same watches, looks at no object, and answers a failed
//! pull with a patch at once. What it takes is the share of machine, server and sockets.

use std::pin::pin;

use dislodge_testbed::kubeconfig;
use futures::AsyncBufReadExt as _;
use kube::Client;

use super::Failure;

const WATCHES: [&str; 4] = [
    "/api/v1/pods",
    "/apis/batch/v1/jobs",
    "/apis/kueue.x-k8s.io/v1beta2/workloads",
    "/api/v1/nodes",
];

/// Reads until the server ends.
pub(crate) async fn run(server: &str) -> Result<(), Failure> {
    let client = kubeconfig::plain_client(server)?;
    let watches = WATCHES.map(|path| tokio::spawn(watch(client.clone(), path)));
    for watch in watches {
        watch.await??;
    }
    Ok(())
}

async fn watch(client: Client, path: &'static str) -> Result<(), Failure> {
    loop {
        read(&client, path).await?;
    }
}

/// Reads a watch until the server ends it.
async fn read(client: &Client, path: &str) -> Result<(), Failure> {
    let request = http::Request::get(format!("{path}?watch=true")).body(Vec::new())?;
    let mut lines = pin!(client.request_stream(request).await?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).await? > 0 {
        if let Some(path) = failed(&line) {
            let client = client.clone();
            tokio::spawn(async move { patch(&client, &path).await });
        }
        line.clear();
    }
    Ok(())
}

/// The path of the Workload of a Pod that has just failed to pull.
fn failed(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line).ok()?;
    text.contains(r#""reason":"ErrImagePull""#).then_some(())?;
    let value = |key: &str| text.split_once(key)?.1.split('"').next();
    let namespace = value(r#""namespace":""#)?;
    let name = value(r#""kueue.x-k8s.io/workload":""#)?;
    Some(format!("/apis/kueue.x-k8s.io/v1beta2/namespaces/{namespace}/workloads/{name}"))
}

async fn patch(client: &Client, path: &str) -> Result<(), Failure> {
    let request = http::Request::patch(path)
        .header("content-type", "application/merge-patch+json")
        .body(br#"{"spec":{"active":false}}"#.to_vec())?;
    client.request_text(request).await?;
    Ok(())
}
