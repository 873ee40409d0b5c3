//! Readiness probes, asked by hand.

use futures::future::BoxFuture;
use kube::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::deadline::until;
use crate::error::Result;
use crate::process::Process;

/// A probe over plain HTTP on loopback: yes where it answers 200. To be called as often as needed.
pub fn plain(
    port: u16,
    path: &str,
) -> impl FnMut() -> BoxFuture<'static, std::result::Result<(), String>> {
    let path = path.to_owned();
    move || {
        let path = path.clone();
        Box::pin(async move {
            let answer = text(port, &path).await.map_err(|error| error.to_string())?;
            let status = answer.lines().next().unwrap_or_default().to_owned();
            if status.split(' ').nth(1) == Some("200") { Ok(()) } else { Err(status) }
        })
    }
}

/// What a path answers over plain HTTP on loopback, head and body.
///
/// # Errors
/// When nobody listens.
pub async fn text(port: u16, path: &str) -> std::io::Result<String> {
    exchange(port, &format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")).await
}

/// Waits until `/readyz` of a process says yes.
///
/// # Errors
/// When the process ends, or takes longer than `seconds`.
pub async fn ready(process: &Process, port: u16, seconds: u64) -> Result<()> {
    let mut ask = plain(port, "/readyz");
    until(seconds, "the controller being ready", || {
        let alive = process.check().map_err(|error| error.to_string());
        let answer = ask();
        async move {
            alive?;
            answer.await
        }
    })
    .await
}

/// A probe through a client: yes where the server answers with success.
pub(crate) fn with_client(
    client: &Client,
    path: &str,
) -> impl FnMut() -> BoxFuture<'static, std::result::Result<(), String>> {
    let (client, path) = (client.clone(), path.to_owned());
    move || {
        let (client, path) = (client.clone(), path.clone());
        Box::pin(async move {
            let request =
                http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
            client.request_text(request).await.map(drop).map_err(|error| error.to_string())
        })
    }
}

async fn exchange(port: u16, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
