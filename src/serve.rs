//! What is served over HTTP, and where: probes and metrics, on an address of each or on one.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

use crate::args::Listen;

/// Something to be served.
#[derive(Debug)]
pub struct Service {
    /// What it is, in messages.
    pub name: &'static str,
    /// The flag that says where.
    pub flag: &'static str,
    /// Where.
    pub at: Listen,
    /// The answers.
    pub routes: Router,
}

/// A service whose address has been taken.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    routes: Router,
}

/// An address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {name} cannot be served at {address}: {source}: choose another address with {flag}, or 'off'"
)]
pub struct BindError {
    name: &'static str,
    flag: &'static str,
    address: SocketAddr,
    source: std::io::Error,
}

/// Takes the addresses. Services on one address are served together.
///
/// # Errors
///
/// Where an address is taken or not ours.
pub async fn bind(services: Vec<Service>) -> Result<Vec<Bound>, BindError> {
    let mut together: Vec<(SocketAddr, Service)> = Vec::new();
    for service in services {
        let Listen::At(address) = service.at else { continue };
        // Port 0 is another port each time.
        let same = |(at, _): &&mut (SocketAddr, Service)| *at == address && address.port() != 0;
        match together.iter_mut().find(same) {
            Some((_, known)) => {
                known.routes = std::mem::take(&mut known.routes).merge(service.routes);
            }
            None => together.push((address, service)),
        }
    }
    let mut bound = Vec::new();
    for (address, Service { name, flag, routes, .. }) in together {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| BindError { name, flag, address, source })?;
        bound.push(Bound { listener, routes });
    }
    Ok(bound)
}

impl Bound {
    /// Answers, for ever.
    pub async fn serve(self) {
        if let Err(error) = axum::serve(self.listener, self.routes).await {
            tracing::error!(%error, "nothing is served any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;

    fn service(name: &'static str, at: Listen) -> Service {
        let routes = Router::new().route(&format!("/{name}"), get(|| async { "ok" }));
        Service { name, flag: "--flag", at, routes }
    }

    #[tokio::test]
    async fn services_on_one_address_share_it_and_what_is_off_is_not_served() {
        let any = Listen::At("127.0.0.1:0".parse().unwrap());
        let both = bind(vec![service("a", any), service("b", any)]).await.unwrap();
        assert_eq!(both.len(), 2, "port 0 is another port each time");
        let taken = both[0].listener.local_addr().unwrap();
        drop(both);
        let at = Listen::At(taken);
        let one = bind(vec![service("a", at), service("b", at), service("c", Listen::Off)]);
        let one = one.await.unwrap();
        assert_eq!(one.len(), 1);
        let refused = bind(vec![service("d", at)]).await.unwrap_err().to_string();
        let expected = format!("the d cannot be served at {taken}: ");
        assert!(refused.starts_with(&expected) && refused.contains("--flag"), "{refused}");
    }
}
